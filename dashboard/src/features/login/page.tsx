/** Sign in: e-mail and password, then a code if the user has a second factor. */
import { useState } from "preact/hooks";
import { Field } from "web-shared/field";
import { failureOfException } from "../../api/failure.ts";
import { useGateway } from "../../session/session-context.tsx";
import { PageHead } from "../../ui/page-head.tsx";
import { CurrentPasswordField } from "../../ui/password-fields.tsx";
import { FormProblem } from "../../ui/states.tsx";
import { useAction } from "../../ui/use-action.ts";

const CODE_NEEDED = "SECOND_FACTOR_REQUIRED";

export function LoginPage() {
  const { login, session, config } = useGateway();
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const [otp, setOtp] = useState<string | null>(null);
  const entering = useAction(async () => {
    try {
      await login(email, password, otp ?? undefined);
    } catch (error) {
      // The first time it is the next step, then it is a wrong code.
      if (otp !== null || failureOfException(error).code !== CODE_NEEDED) throw error;
      setOtp("");
    }
  });
  const submit = (event: Event) => {
    event.preventDefault();
    void entering.run();
  };
  const startAgain = () => {
    entering.clear();
    setOtp(null);
    setPassword("");
  };
  return (
    <div class="door">
      <PageHead title="Sign in" lead="To your payments, refunds and webhooks." />
      {session.state === "anonymous" && session.expired && (
        <p class="notice" role="status">
          Your session has ended. Sign in again to continue where you left off.
        </p>
      )}
      <form class="card pad stack" data-test-id="login-form" onSubmit={submit}>
        <Field
          label="E-mail"
          type="email"
          autocomplete="username"
          required
          readOnly={otp !== null}
          testId="email-input"
          value={email}
          onValue={setEmail}
        />
        {otp === null ? (
          <CurrentPasswordField label="Password" testId="password-input" value={password} onValue={setPassword} />
        ) : (
          <CodeField otp={otp} onOtp={setOtp} />
        )}
        <FormProblem failure={entering.failure} />
        <button type="submit" class="button" data-test-id="login-button" disabled={entering.busy}>
          {entering.busy ? "Signing in…" : "Sign in"}
        </button>
        {otp !== null && (
          <button type="button" class="link-button" onClick={startAgain}>
            Sign in as somebody else
          </button>
        )}
      </form>
      {config.test_mode && (
        <p class="small muted centred">
          New here? <a href="/sign-up">Create a merchant</a>
        </p>
      )}
    </div>
  );
}

function focus(input: HTMLInputElement | null) {
  input?.focus();
}

/** Takes the focus as it appears: the field that had it is gone. */
function CodeField({ otp, onOtp }: { otp: string; onOtp: (otp: string) => void }) {
  return (
    <Field
      label="Code"
      autocomplete="one-time-code"
      required
      hint="From your authenticator app, or a recovery code."
      testId="otp-input"
      inputRef={focus}
      value={otp}
      onValue={onOtp}
    />
  );
}
