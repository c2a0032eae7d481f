/** Paying by UPI: by a code to scan or, on a phone, an app to open; and by a request to the payer's own UPI ID. */
import { useEffect, useRef, useState } from "preact/hooks";
import { Field } from "web-shared/field";
import { METHODS } from "web-shared/methods";
import type { UpiText } from "../state/drafts.ts";
import { vpaFault } from "../state/instrument.ts";
import { useTexts } from "../texts/language.ts";
import { PayButton } from "../ui/pay-button.tsx";
import type { FormProps } from "./method-form.ts";

export function UpiForm(props: FormProps<UpiText>) {
  const { order, shown, busy, amount, draft, problem, onDraft, onPay } = props;
  const texts = useTexts();
  const [judged, setJudged] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const fault = judged ? vpaFault(draft.vpa) : null;
  const submit = (event: Event): void => {
    event.preventDefault();
    setJudged(true);
    if (vpaFault(draft.vpa)) field.current?.focus();
    else onPay({ method: "upi", vpa: draft.vpa.trim() });
  };
  useEffect(() => {
    if (problem?.field === "vpa") field.current?.focus();
  }, [problem]);
  return (
    <form id={METHODS.upi.form} class="form" data-test-id="upi-form" hidden={!shown} noValidate onSubmit={submit}>
      {shown && order?.upi_payee && <ScanButton busy={busy} onScan={() => onPay({ method: "upi", flow: "qr" })} />}
      <Field
        id="vpa"
        label={texts.vpa}
        testId="vpa-input"
        inputRef={field}
        type="text"
        inputMode="email"
        autocomplete="off"
        maxLength={255}
        placeholder="name@bank"
        value={draft.vpa}
        onValue={(vpa) => onDraft({ vpa })}
        onBlur={() => setJudged(draft.vpa !== "")}
        problem={(fault && texts.faults.vpa?.[fault]) || (problem?.field === "vpa" ? problem.text : null)}
        hint={texts.vpa_hint}
      />
      <PayButton amount={amount} busy={busy} />
    </form>
  );
}

/** The payment begins before its code is shown: the scanned code is one attempt, and no other can begin beside it. */
function ScanButton({ busy, onScan }: { busy: boolean; onScan(): void }) {
  const texts = useTexts();
  const phone = matchMedia("(pointer: coarse)").matches;
  return (
    <>
      <button type="button" class="button quiet" data-test-id="scan-button" disabled={busy} onClick={onScan}>
        {phone ? texts.open_app : texts.show_code}
      </button>
      <p class="or">
        <span>{texts.or}</span>
      </p>
    </>
  );
}
