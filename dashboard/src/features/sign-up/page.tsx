/** A new merchant. Its first secret is shown once, before the dashboard opens. */
import { useState } from "preact/hooks";
import { Field } from "web-shared/field";
import { useGateway } from "../../session/session-context.tsx";
import { PageHead } from "../../ui/page-head.tsx";
import { NewPasswordField } from "../../ui/password-fields.tsx";
import { FormProblem } from "../../ui/states.tsx";
import { useAction } from "../../ui/use-action.ts";

export function SignUpPage() {
  const { signUp } = useGateway();
  const [name, setName] = useState("");
  const [email, setEmail] = useState("");
  const [password, setPassword] = useState("");
  const creating = useAction(() => signUp(name, email, password));
  const field = creating.failure?.field ?? null;
  const problemOf = (target: string) => (field === target ? creating.failure?.description : null);
  const submit = (event: Event) => {
    event.preventDefault();
    void creating.run();
  };
  return (
    <div class="door">
      <PageHead title="Create a merchant" lead="You get API keys right away." />
      <form class="card pad stack" data-test-id="sign-up-form" onSubmit={submit}>
        <Field
          label="Business name"
          hint="Payers see it in the checkout."
          autocomplete="organization"
          required
          maxLength={100}
          testId="name-input"
          problem={problemOf("name")}
          value={name}
          onValue={setName}
        />
        <Field
          label="E-mail"
          type="email"
          autocomplete="username"
          required
          testId="email-input"
          problem={problemOf("email")}
          value={email}
          onValue={setEmail}
        />
        <NewPasswordField
          label="Password"
          testId="password-input"
          problem={problemOf("password")}
          value={password}
          onValue={setPassword}
        />
        <FormProblem failure={creating.failure} />
        <button type="submit" class="button" data-test-id="sign-up-button" disabled={creating.busy}>
          {creating.busy ? "Creating…" : "Create merchant"}
        </button>
      </form>
      <p class="small muted centred">
        Already have one? <a href="/login">Sign in</a>
      </p>
    </div>
  );
}
