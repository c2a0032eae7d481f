/** Setting up an authenticator app: password, then the QR code and a first code from the app, then recovery codes. */
import { useState } from "preact/hooks";
import { Field } from "web-shared/field";
import { drawQr } from "web-shared/qr";
import type { SecondFactorSeed } from "web-shared/wire";
import { useGateway } from "../../session/session-context.tsx";
import { CopyableId } from "../../ui/copy.tsx";
import { CurrentPasswordField } from "../../ui/password-fields.tsx";
import { FormProblem } from "../../ui/states.tsx";
import { useAction } from "../../ui/use-action.ts";
import { CodesDialog } from "./codes-dialog.tsx";

export function SetUp() {
  const [password, setPassword] = useState("");
  const [seed, setSeed] = useState<SecondFactorSeed | null>(null);
  return seed === null ? (
    <Begin password={password} onPassword={setPassword} onSeed={setSeed} />
  ) : (
    <Confirm password={password} seed={seed} />
  );
}

interface BeginProps {
  password: string;
  onPassword: (password: string) => void;
  onSeed: (seed: SecondFactorSeed) => void;
}

function Begin({ password, onPassword, onSeed }: BeginProps) {
  const { api } = useGateway();
  const beginning = useAction(async () => {
    onSeed(await api.send<SecondFactorSeed>("POST", "/auth/second-factor", { current_password: password }));
  });
  const wrong = beginning.failure?.field === "current_password" ? beginning.failure.description : null;
  const submit = (event: Event) => {
    event.preventDefault();
    void beginning.run();
  };
  return (
    <form class="stack" onSubmit={submit}>
      <CurrentPasswordField
        label="Password"
        testId="factor-password-input"
        problem={wrong}
        value={password}
        onValue={onPassword}
      />
      <FormProblem failure={wrong ? null : beginning.failure} />
      <div>
        <button type="submit" class="button compact" data-test-id="begin-factor-button" disabled={beginning.busy}>
          Set up
        </button>
      </div>
    </form>
  );
}

interface Made {
  codes: readonly string[];
  enter: () => void;
}

function Confirm({ password, seed }: { password: string; seed: SecondFactorSeed }) {
  const { confirmSecondFactor } = useGateway();
  const [otp, setOtp] = useState("");
  const [made, setMade] = useState<Made | null>(null);
  const confirming = useAction(async () => setMade(await confirmSecondFactor(password, otp)));
  const wrong = confirming.failure?.field === "otp" ? confirming.failure.description : null;
  const submit = (event: Event) => {
    event.preventDefault();
    void confirming.run();
  };
  return (
    <form class="stack" onSubmit={submit}>
      <p>Scan this code with an authenticator app, then enter the six digits that the app shows.</p>
      <QrCode text={seed.uri} />
      <p class="small muted">
        Cannot scan it? Enter this key: <CopyableId id={seed.secret} label="key" testId="factor-seed" />
      </p>
      <Field
        label="Code"
        inputMode="numeric"
        autocomplete="one-time-code"
        required
        testId="factor-otp-input"
        problem={wrong}
        value={otp}
        onValue={setOtp}
      />
      <FormProblem failure={wrong ? null : confirming.failure} />
      <p class="small muted">Enabling it ends all your other sessions.</p>
      <div>
        <button type="submit" class="button compact" data-test-id="confirm-factor-button" disabled={confirming.busy}>
          Enable
        </button>
      </div>
      {made && <CodesDialog codes={made.codes} onClose={made.enter} />}
    </form>
  );
}

function QrCode({ text }: { text: string }) {
  const { size, path } = drawQr(text);
  return (
    <svg class="qr" viewBox={`-3 -3 ${size + 6} ${size + 6}`} role="img" aria-label="QR code for the authenticator app">
      <path d={path} shape-rendering="crispEdges" />
    </svg>
  );
}
