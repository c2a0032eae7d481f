/** A new password by a link: the form that an invitation and a reset share. */
import { useState } from "preact/hooks";
import { Field } from "web-shared/field";
import { PageHead } from "../../ui/page-head.tsx";
import { NewPasswordField } from "../../ui/password-fields.tsx";
import { FormProblem } from "../../ui/states.tsx";
import { useAction } from "../../ui/use-action.ts";
import { type LinkFacts, linkFacts } from "./link-token.ts";

export interface PasswordFormProps {
  title: string;
  lead: string;
  buttonText: string;
  onPassword: (token: string, password: string) => Promise<unknown>;
}

export function PasswordForm({ title, lead, buttonText, onPassword }: PasswordFormProps) {
  // Read once: the token leaves the address bar, and with it the history, as soon as the page stands.
  const [{ token, email }] = useState<LinkFacts>(() => {
    const facts = linkFacts(location.hash);
    history.replaceState(history.state, "", location.pathname);
    return facts;
  });
  const [password, setPassword] = useState("");
  const setting = useAction(() => onPassword(token, password));
  const submit = (event: Event) => {
    event.preventDefault();
    void setting.run();
  };
  return (
    <div class="door">
      <PageHead title={title} lead={lead} />
      {token === "" ? (
        <p class="notice" role="status">
          This link is incomplete. Open it again exactly as you received it.
        </p>
      ) : (
        <form class="card pad stack" data-test-id="password-form" onSubmit={submit}>
          {email !== "" && (
            <Field label="E-mail" type="email" autocomplete="username" readOnly testId="email-input" value={email} />
          )}
          <NewPasswordField label="New password" testId="password-input" value={password} onValue={setPassword} />
          <FormProblem failure={setting.failure} />
          <button type="submit" class="button" data-test-id="set-password-button" disabled={setting.busy}>
            {buttonText}
          </button>
        </form>
      )}
      <p class="small muted centred">
        <a href="/login">Sign in</a>
      </p>
    </div>
  );
}
