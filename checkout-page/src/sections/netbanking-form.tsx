/** Paying by netbanking: the payer chooses a bank here and decides on its page. */
import { useEffect, useRef, useState } from "preact/hooks";
import { FieldNote } from "web-shared/field";
import { BANK_NAMES, METHODS } from "web-shared/methods";
import type { BankText } from "../state/drafts.ts";
import { useTexts } from "../texts/language.ts";
import { PayButton } from "../ui/pay-button.tsx";
import type { FormProps } from "./method-form.ts";

/** Banks of test mode only. */
const TEST_BANKS = ["SUCC", "FAIL", "SLOW"] as const;

export function NetbankingForm(props: FormProps<BankText>) {
  const { order, shown, busy, amount, draft, problem, onDraft, onPay } = props;
  const texts = useTexts();
  const [judged, setJudged] = useState(false);
  const field = useRef<HTMLSelectElement>(null);
  const fault = judged && !draft.bank ? texts.faults.bank?.required : problem?.field === "bank" ? problem.text : null;
  const submit = (event: Event): void => {
    event.preventDefault();
    setJudged(true);
    if (draft.bank) onPay({ method: "netbanking", bank: draft.bank });
    else field.current?.focus();
  };
  useEffect(() => {
    if (problem?.field === "bank") field.current?.focus();
  }, [problem]);
  return (
    <form
      id={METHODS.netbanking.form}
      class="form"
      data-test-id="netbanking-form"
      hidden={!shown}
      noValidate
      onSubmit={submit}
    >
      <div class="field">
        <label for="bank">{texts.bank}</label>
        <select
          id="bank"
          ref={field}
          data-test-id="bank-select"
          value={draft.bank}
          onChange={(event) => onDraft({ bank: event.currentTarget.value })}
          aria-invalid={fault ? true : undefined}
          aria-describedby="bank-note"
        >
          <option value="">{texts.bank_choose}</option>
          {Object.entries(BANK_NAMES).map(([code, name]) => (
            <option key={code} value={code}>
              {name}
            </option>
          ))}
          {order?.test_mode && TEST_BANKS.map((code) => <option key={code}>{code}</option>)}
        </select>
        <FieldNote id="bank" hint={texts.bank_next} problem={fault} />
      </div>
      <PayButton amount={amount} busy={busy} />
    </form>
  );
}
