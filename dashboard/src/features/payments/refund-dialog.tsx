/** Give money back: all that remains, or a part of it. Two steps, because money leaves: amount, then a confirmation. */
import { useMemo, useState } from "preact/hooks";
import { Field } from "web-shared/field";
import { formatMoney, inputToMinor, minorToInput } from "web-shared/format";
import type { Payment, Refund } from "web-shared/wire";
import { newIdempotencyKey } from "../../api/client.ts";
import { useGateway } from "../../session/session-context.tsx";
import { announce } from "../../ui/announcer.tsx";
import { Dialog } from "../../ui/dialog.tsx";
import { FormProblem } from "../../ui/states.tsx";
import { useAction } from "../../ui/use-action.ts";
import { refundableMinor } from "./remaining.ts";

export interface RefundDialogProps {
  payment: Payment;
  onDone: (refund: Refund) => void;
  onClose: () => void;
}

export function RefundDialog({ payment, onDone, onClose }: RefundDialogProps) {
  const { api } = useGateway();
  const remaining = refundableMinor(payment);
  const [amountText, setAmountText] = useState(minorToInput(remaining, payment.currency));
  const [reason, setReason] = useState("");
  const [confirming, setConfirming] = useState(false);
  const amount = inputToMinor(amountText, payment.currency);
  const problem = amountProblem(amount, remaining, payment.currency);
  // One key for one intent: a repeat after a lost answer, with the same amount, refunds once.
  // Another amount or reason is another intent.
  const key = useMemo(newIdempotencyKey, [amount, reason]);

  const refunding = useAction(async () => {
    const body = { amount, ...(reason.trim() === "" ? {} : { reason: reason.trim() }) };
    const refund = await api.send<Refund>("POST", `/payments/${payment.id}/refunds`, body, { idempotencyKey: key });
    announce(`Refund of ${formatMoney(refund.amount, refund.currency)} is under way`);
    onDone(refund);
    onClose();
  });
  const submit = (event: Event) => {
    event.preventDefault();
    if (problem !== null) return;
    if (confirming) void refunding.run();
    else setConfirming(true);
  };
  const money = amount === null ? "" : formatMoney(amount, payment.currency);
  return (
    <Dialog title="Refund" onClose={onClose} locked={refunding.busy}>
      <form onSubmit={submit} data-test-id="refund-form">
        <div class="dialog-body">
          {confirming ? (
            <p>
              <strong>{money}</strong> goes back to the payer of <code>{payment.id}</code>. This cannot be undone.
            </p>
          ) : (
            <>
              <Field
                label={`Amount (${payment.currency})`}
                inputMode="decimal"
                autocomplete="off"
                testId="refund-amount-input"
                hint={`${formatMoney(remaining, payment.currency)} can be refunded.`}
                problem={amountText === "" ? null : problem}
                value={amountText}
                onValue={setAmountText}
              />
              <Field
                label="Reason (optional)"
                autocomplete="off"
                maxLength={255}
                testId="refund-reason-input"
                value={reason}
                onValue={setReason}
              />
            </>
          )}
          <FormProblem failure={refunding.failure} />
        </div>
        <footer class="dialog-foot">
          <button
            type="button"
            class="button quiet"
            disabled={refunding.busy}
            onClick={confirming ? () => setConfirming(false) : onClose}
          >
            {confirming ? "Back" : "Cancel"}
          </button>
          <button
            type="submit"
            class={confirming ? "button danger" : "button"}
            data-test-id={confirming ? "confirm-refund-button" : "review-refund-button"}
            disabled={problem !== null || refunding.busy}
          >
            {confirming ? `Refund ${money}` : "Continue"}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

export function amountProblem(amount: number | null, remaining: number, currency: string): string | null {
  if (amount === null) return `Enter an amount such as ${minorToInput(remaining, currency)}.`;
  if (amount === 0) return "Enter more than nothing.";
  return amount > remaining ? `At most ${formatMoney(remaining, currency)} can be refunded.` : null;
}
