/** What the merchant is called, how payments are captured, who may frame the checkout, whether pages may make orders. */
import { useState } from "preact/hooks";
import { Field } from "web-shared/field";
import { inputToMinor, minorToInput } from "web-shared/format";
import type { Merchant } from "web-shared/wire";
import { useResource } from "../../list/resource.ts";
import { Guarded } from "../../session/guarded.tsx";
import { useGateway } from "../../session/session-context.tsx";
import { announce } from "../../ui/announcer.tsx";
import { CopyableId } from "../../ui/copy.tsx";
import { Check, Select, TextArea } from "../../ui/field.tsx";
import { PageHead } from "../../ui/page-head.tsx";
import { ErrorState, FormProblem, Skeleton } from "../../ui/states.tsx";
import { useAction } from "../../ui/use-action.ts";
import { inputToMinutes, minutesToInput, UNITS, type Unit } from "./capture-time.ts";
import { ReturnSecretCard } from "./return-secret.tsx";

export function SettingsPage() {
  const { api, changeMerchant } = useGateway();
  const merchant = useResource("me", (signal) => api.get<Merchant>("/merchants/me", {}, signal));
  const saved = (value: Merchant) => {
    merchant.change(value);
    changeMerchant(value);
    announce("Saved");
  };
  return (
    <div class="stack-wide narrow">
      <PageHead title="Settings" />
      {merchant.state.status === "loading" && (
        <div class="card pad">
          <Skeleton lines={6} />
        </div>
      )}
      {merchant.state.status === "error" && (
        <div class="card">
          <ErrorState
            title="The settings could not be loaded"
            failure={merchant.state.failure}
            onRetry={merchant.reload}
          />
        </div>
      )}
      {merchant.value && (
        <Guarded right="settings">
          <Profile merchant={merchant.value} onSaved={saved} />
          <Capture merchant={merchant.value} onSaved={saved} />
          <Origins merchant={merchant.value} onSaved={saved} />
          <ReturnSecretCard />
          <BrowserOrders merchant={merchant.value} onSaved={saved} />
        </Guarded>
      )}
    </div>
  );
}

interface PartProps {
  merchant: Merchant;
  onSaved: (merchant: Merchant) => void;
}

function useSaving(body: () => Partial<Merchant>, onSaved: (merchant: Merchant) => void) {
  const { api } = useGateway();
  const saving = useAction(async () => onSaved(await api.send<Merchant>("PATCH", "/merchants/me", body())));
  const submit = (event: Event) => {
    event.preventDefault();
    void saving.run();
  };
  return { saving, submit };
}

function Profile({ merchant, onSaved }: PartProps) {
  const [name, setName] = useState(merchant.name);
  const [payee, setPayee] = useState(merchant.upi_payee ?? "");
  const { saving, submit } = useSaving(() => ({ name: name.trim(), upi_payee: payee.trim() || null }), onSaved);
  return (
    <form class="card pad stack" onSubmit={submit}>
      <h2>Profile</h2>
      <Field
        label="Business name"
        hint="Payers see it in the checkout."
        required
        maxLength={255}
        testId="merchant-name-input"
        value={name}
        onValue={setName}
      />
      <Field
        label="UPI ID"
        hint="QR codes and UPI apps pay to it. Empty: the checkout offers no code to scan."
        inputMode="email"
        autocomplete="off"
        maxLength={255}
        placeholder="shop@bank"
        testId="upi-payee-input"
        value={payee}
        onValue={setPayee}
      />
      <dl class="facts">
        <div>
          <dt>E-mail</dt>
          <dd>{merchant.email}</dd>
        </div>
        <div>
          <dt>Merchant id</dt>
          <dd>
            <CopyableId id={merchant.id} label="merchant id" />
          </dd>
        </div>
      </dl>
      <FormProblem failure={saving.failure} />
      <Save busy={saving.busy} testId="save-profile-button" />
    </form>
  );
}

function Capture({ merchant, onSaved }: PartProps) {
  const [before, unitBefore] = minutesToInput(merchant.capture_within_minutes);
  const [mode, setMode] = useState(merchant.capture);
  const [count, setCount] = useState(before);
  const [unit, setUnit] = useState<Unit>(unitBefore);
  const minutes = inputToMinutes(count, unit);
  const problem = typeof minutes === "string" ? minutes : null;
  const change = { capture: mode, capture_within_minutes: typeof minutes === "string" ? null : minutes };
  const { saving, submit } = useSaving(() => change, onSaved);
  return (
    <form class="card pad stack" onSubmit={submit}>
      <h2>Capture</h2>
      <p class="muted">For orders that do not specify it. Existing orders keep their setting.</p>
      <Select
        label="Payments are captured"
        testId="capture-mode-input"
        value={mode}
        options={[
          ["manual", "manually"],
          ["automatic", "automatically"],
        ]}
        hint={mode === "manual" ? "You capture or void each payment." : "A payment is captured as soon as it succeeds."}
        onValue={(value) => setMode(value === "automatic" ? "automatic" : "manual")}
      />
      {mode === "manual" && (
        <div class="field-row">
          <Field
            label="Within"
            hint="After that, the money is returned automatically. Empty: no limit."
            inputMode="numeric"
            autocomplete="off"
            testId="capture-within-input"
            problem={problem}
            value={count}
            onValue={setCount}
          />
          <Select
            label="Unit"
            testId="capture-unit-input"
            value={unit}
            options={UNITS.map(([name]) => [name, name] as const)}
            onValue={(value) => setUnit(UNITS.find(([name]) => name === value)?.[0] ?? "days")}
          />
        </div>
      )}
      <FormProblem failure={saving.failure} />
      <Save busy={saving.busy || problem !== null} testId="save-capture-button" />
    </form>
  );
}

function Origins({ merchant, onSaved }: PartProps) {
  const [text, setText] = useState(merchant.allowed_origins.join("\n"));
  const { saving, submit } = useSaving(() => ({ allowed_origins: linesOf(text) }), onSaved);
  return (
    <form class="card pad stack" onSubmit={submit}>
      <h2>Allowed origins</h2>
      <p class="muted">
        The pages that may embed your checkout. Without one, test mode allows every page and live mode none.
      </p>
      <TextArea
        label="One origin per line"
        placeholder="https://shop.example"
        rows={4}
        testId="allowed-origins-input"
        value={text}
        onValue={setText}
      />
      <FormProblem failure={saving.failure} />
      <Save busy={saving.busy} testId="save-origins-button" />
    </form>
  );
}

export function linesOf(text: string): string[] {
  return text
    .split(/[\s,]+/)
    .map((line) => line.replace(/\/+$/, ""))
    .filter((line) => line !== "");
}

function BrowserOrders({ merchant, onSaved }: PartProps) {
  const { enabled: before, maximum_minor: most } = merchant.browser_orders;
  const [enabled, setEnabled] = useState(before);
  const [maximum, setMaximum] = useState(most === null ? "" : minorToInput(most));
  const minor = maximum.trim() === "" ? null : inputToMinor(maximum);
  const problem = maximum.trim() !== "" && minor === null ? "Enter an amount such as 5000." : null;
  const { saving, submit } = useSaving(() => ({ browser_orders: { enabled, maximum_minor: minor } }), onSaved);
  return (
    <form class="card pad stack" onSubmit={submit}>
      <h2>Orders from browsers</h2>
      <p class="muted">
        A page can then open the checkout with its own amount. The payer's browser chooses that amount: check it before
        you deliver.
      </p>
      <Check label="Allow it from the origins above" checked={enabled} onChecked={setEnabled} />
      <Field
        label="Maximum in rupees"
        hint="Empty: no maximum. For another currency, the same number applies in that currency."
        inputMode="decimal"
        autocomplete="off"
        problem={problem}
        value={maximum}
        onValue={setMaximum}
      />
      <FormProblem failure={saving.failure} />
      <Save busy={saving.busy || problem !== null} testId="save-browser-orders-button" />
    </form>
  );
}

function Save({ busy, testId }: { busy: boolean; testId: string }) {
  return (
    <div>
      <button type="submit" class="button compact" disabled={busy} data-test-id={testId}>
        Save
      </button>
    </div>
  );
}
