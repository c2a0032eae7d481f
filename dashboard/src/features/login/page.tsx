/** Sign in. */
import { useState } from "preact/hooks";
import { Field } from "web-shared/field";
import { useGateway } from "../../session/session-context.tsx";
import { PageHead } from "../../ui/page-head.tsx";
import { FormProblem } from "../../ui/states.tsx";
import { useAction } from "../../ui/use-action.ts";

export function LoginPage() {
  const { login, session, config } = useGateway();
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const entering = useAction(() => login(email, password));
  const submit = (event: Event) => {
    event.preventDefault();
    void entering.run();
  };
  return (
    <div class="door">
      <PageHead title="Sign in" lead="To your payments, refunds and webhooks." />
      {session.state === "anonymous" && session.expired && (
        <p class="notice" role="status">
          Your session has ended. Sign in again to go on where you were.
        </p>
      )}
      <form class="card pad stack" data-test-id="login-form" onSubmit={submit}>
        <Field
          label="E-mail"
          type="email"
          autocomplete="username"
          required
          testId="email-input"
          value={email}
          onValue={setEmail}
        />
        <Field
          label="Password"
          type="password"
          autocomplete="current-password"
          required
          testId="password-input"
          value={password}
          onValue={setPassword}
        />
        <FormProblem failure={entering.failure} />
        <button type="submit" class="button" data-test-id="login-button" disabled={entering.busy}>
          {entering.busy ? "Signing in…" : "Sign in"}
        </button>
      </form>
      {config.test_mode && (
        <p class="small muted centred">
          New here? <a href="/sign-up">Create a merchant</a>
        </p>
      )}
    </div>
  );
}
