/** A reset: the link comes from the gateway's operator. */
import { useState } from "preact/hooks";
import { useGateway } from "../../session/session-context.tsx";
import { PageHead } from "../../ui/page-head.tsx";
import { PasswordForm } from "./password-form.tsx";

export function ResetPage() {
  const { api } = useGateway();
  const [done, setDone] = useState(false);
  if (done) {
    return (
      <div class="door">
        <PageHead title="Password set" lead="All your sessions have ended. Sign in with the new password." />
        <a class="button" href="/login" data-test-id="sign-in-link">
          Sign in
        </a>
      </div>
    );
  }
  return (
    <PasswordForm
      title="New password"
      lead="Setting it ends all your sessions."
      buttonText="Set password"
      onPassword={async (token, password) => {
        await api.send("POST", "/auth/reset", { token, password });
        setDone(true);
      }}
    />
  );
}
