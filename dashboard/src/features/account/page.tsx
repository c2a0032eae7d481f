/** Your own login: who you are here, your password and your second factor. */
import { useState } from "preact/hooks";
import { useGateway, useUser } from "../../session/session-context.tsx";
import { announce } from "../../ui/announcer.tsx";
import { PageHead } from "../../ui/page-head.tsx";
import { CurrentPasswordField, NewPasswordField } from "../../ui/password-fields.tsx";
import { FormProblem } from "../../ui/states.tsx";
import { useAction } from "../../ui/use-action.ts";
import { SecondFactorCard } from "../second-factor/card.tsx";

export function AccountPage() {
  const user = useUser();
  return (
    <div class="stack-wide narrow">
      <PageHead title="Account" />
      <section class="card pad">
        <dl class="facts">
          <div>
            <dt>E-mail</dt>
            <dd class="wrap">{user.email}</dd>
          </div>
          <div>
            <dt>Role</dt>
            <dd>{user.role}</dd>
          </div>
        </dl>
      </section>
      <PasswordCard />
      <SecondFactorCard />
    </div>
  );
}

function PasswordCard() {
  const { changePassword } = useGateway();
  const [current, setCurrent] = useState("");
  const [password, setPassword] = useState("");
  const changing = useAction(async () => {
    await changePassword(current, password);
    setCurrent("");
    setPassword("");
    announce("Password changed");
  });
  const wrong = changing.failure?.field === "current_password" ? changing.failure.description : null;
  const submit = (event: Event) => {
    event.preventDefault();
    void changing.run();
  };
  return (
    <form class="card pad stack" onSubmit={submit}>
      <h2>Password</h2>
      <p class="muted">Changing it ends all your other sessions.</p>
      <CurrentPasswordField
        label="Current password"
        testId="current-password-input"
        problem={wrong}
        value={current}
        onValue={setCurrent}
      />
      <NewPasswordField label="New password" testId="new-password-input" value={password} onValue={setPassword} />
      <FormProblem failure={wrong ? null : changing.failure} />
      <div>
        <button type="submit" class="button compact" data-test-id="change-password-button" disabled={changing.busy}>
          Change password
        </button>
      </div>
    </form>
  );
}
