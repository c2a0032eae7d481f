/** Your own second factor: set it up, or renew its recovery codes and remove it. */
import { useState } from "preact/hooks";
import { Field } from "web-shared/field";
import type { RecoveryCodes, SecondFactor } from "web-shared/wire";
import { useResource } from "../../list/resource.ts";
import { useGateway, useUser } from "../../session/session-context.tsx";
import { announce } from "../../ui/announcer.tsx";
import { CurrentPasswordField } from "../../ui/password-fields.tsx";
import { ErrorState, FormProblem, Skeleton } from "../../ui/states.tsx";
import { Near } from "../../ui/time.tsx";
import { useAction } from "../../ui/use-action.ts";
import { CodesDialog } from "./codes-dialog.tsx";
import { SetUp } from "./set-up.tsx";

export function SecondFactorCard() {
  const { second_factor: enabled } = useUser();
  return (
    <section class="card pad stack" data-test-id="second-factor">
      <h2>Second factor</h2>
      {enabled ? (
        <Enabled />
      ) : (
        <>
          <p class="muted">
            A code from an app on your phone, in addition to the password. Someone who learns one still lacks the other.
          </p>
          <SetUp />
        </>
      )}
    </section>
  );
}

function Enabled() {
  const { api } = useGateway();
  const [codes, setCodes] = useState<readonly string[] | null>(null);
  const factor = useResource("second-factor", (signal) => api.get<SecondFactor>("/auth/second-factor", {}, signal));
  return (
    <>
      {factor.state.status === "loading" && <Skeleton lines={1} />}
      {factor.state.status === "error" && (
        <ErrorState
          title="The second factor could not be loaded"
          failure={factor.state.failure}
          onRetry={factor.reload}
        />
      )}
      {factor.value?.enabled_at && (
        <p class="muted" data-test-id="second-factor-state">
          Enabled <Near at={factor.value.enabled_at} />. Recovery codes left: {factor.value.recovery_codes_left}.
        </p>
      )}
      <Changes
        onCodes={(made) => {
          setCodes(made);
          factor.reload();
        }}
      />
      {codes && <CodesDialog codes={codes} onClose={() => setCodes(null)} />}
    </>
  );
}

function Changes({ onCodes }: { onCodes: (codes: readonly string[]) => void }) {
  const { api, removeSecondFactor, session } = useGateway();
  const user = useUser();
  const required = session.state === "signed_in" && session.merchant.second_factor_required;
  const [password, setPassword] = useState("");
  const [otp, setOtp] = useState("");
  const changing = useAction(async (change: "renew" | "remove") => {
    if (change === "remove") {
      await removeSecondFactor(user, password, otp);
      announce("Second factor removed");
    } else {
      const body = { current_password: password, otp };
      onCodes((await api.send<RecoveryCodes>("POST", "/auth/second-factor/recovery-codes", body)).recovery_codes);
      setPassword("");
      setOtp("");
    }
  });
  const failed = changing.failure;
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    const pressed = event.submitter?.getAttribute("value");
    void changing.run(pressed === "remove" ? "remove" : "renew");
  };
  return (
    <form class="stack" onSubmit={submit}>
      <CurrentPasswordField
        label="Password"
        testId="factor-password-input"
        problem={failed?.field === "current_password" ? failed.description : null}
        value={password}
        onValue={setPassword}
      />
      <Field
        label="Code"
        autocomplete="one-time-code"
        required
        hint="From the app, or a recovery code."
        testId="factor-otp-input"
        problem={failed?.field === "otp" ? failed.description : null}
        value={otp}
        onValue={setOtp}
      />
      <FormProblem failure={failed?.field ? null : failed} />
      <div class="form-actions">
        <button
          type="submit"
          value="renew"
          class="button compact"
          data-test-id="renew-codes-button"
          disabled={changing.busy}
        >
          Make new recovery codes
        </button>
        <button
          type="submit"
          value="remove"
          class="button danger compact"
          data-test-id="remove-factor-button"
          disabled={changing.busy || required}
        >
          Remove
        </button>
      </div>
      {required && <p class="small muted">It cannot be removed: your merchant requires one.</p>}
    </form>
  );
}
