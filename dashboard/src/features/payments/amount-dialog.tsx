/** Moves money of a payment, all that is left or a part. Two steps, because it cannot be undone: amount, confirmation. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { Field } from "web-shared/field";
import { formatMoney, inputToMinor, minorToInput } from "web-shared/format";
import type { Payment } from "web-shared/wire";
import { Dialog } from "../../ui/dialog.tsx";
import { FormProblem } from "../../ui/states.tsx";
import { useAction } from "../../ui/use-action.ts";

export interface AmountDialogProps {
  /** Names the parts for tests: `refund-amount-input`. */
  name: "refund" | "capture";
  /** The button's label before the amount: `Refund`. */
  verb: string;
  payment: Payment;
  mostMinor: number;
  hint: string;
  /** Its consequences; the second step. */
  consequence: (amountMinor: number, money: string) => ComponentChildren;
  onSubmit: (amountMinor: number) => Promise<unknown>;
  onClose: () => void;
  /** The confirming button does harm. */
  danger?: boolean;
  /** More fields of the first step. */
  children?: ComponentChildren;
}

export function AmountDialog(props: AmountDialogProps) {
  const { name, verb, payment, mostMinor, hint, consequence, onSubmit, onClose, danger, children } = props;
  const [text, setText] = useState(minorToInput(mostMinor, payment.currency));
  const [confirming, setConfirming] = useState(false);
  const amount = inputToMinor(text, payment.currency);
  const problem = amountProblem(amount, mostMinor, payment.currency);
  const money = amount === null ? "" : formatMoney(amount, payment.currency);
  const sending = useAction(async () => {
    await onSubmit(amount ?? 0);
    onClose();
  });
  const submit = (event: Event) => {
    event.preventDefault();
    if (problem !== null) return;
    if (confirming) void sending.run();
    else setConfirming(true);
  };
  return (
    <Dialog title={verb} onClose={onClose} locked={sending.busy}>
      <form onSubmit={submit} data-test-id={`${name}-form`}>
        <div class="dialog-body">
          {confirming && amount !== null ? (
            <p>{consequence(amount, money)} This cannot be undone.</p>
          ) : (
            <>
              <Field
                label={`Amount (${payment.currency})`}
                inputMode="decimal"
                autocomplete="off"
                testId={`${name}-amount-input`}
                hint={hint}
                problem={text === "" ? null : problem}
                value={text}
                onValue={setText}
              />
              {children}
            </>
          )}
          <FormProblem failure={sending.failure} />
        </div>
        <footer class="dialog-foot">
          <button
            type="button"
            class="button quiet"
            disabled={sending.busy}
            onClick={confirming ? () => setConfirming(false) : onClose}
          >
            {confirming ? "Back" : "Cancel"}
          </button>
          <button
            type="submit"
            class={confirming && danger ? "button danger" : "button"}
            data-test-id={`${confirming ? "confirm" : "review"}-${name}-button`}
            disabled={problem !== null || sending.busy}
          >
            {confirming ? `${verb} ${money}` : "Continue"}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

export function amountProblem(amount: number | null, mostMinor: number, currency: string): string | null {
  if (amount === null) return `Enter an amount such as ${minorToInput(mostMinor, currency)}.`;
  if (amount === 0) return "Enter an amount above zero.";
  return amount > mostMinor ? `At most ${formatMoney(mostMinor, currency)} is left.` : null;
}
