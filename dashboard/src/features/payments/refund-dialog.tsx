/** Give money back: all that is left, or a part of it. */
import { useRef, useState } from "preact/hooks";
import { Field } from "web-shared/field";
import { formatMoney } from "web-shared/format";
import type { Payment, Refund } from "web-shared/wire";
import { useGateway } from "../../session/session-context.tsx";
import { announce } from "../../ui/announcer.tsx";
import { actionsOn } from "./actions.ts";
import { AmountDialog } from "./amount-dialog.tsx";
import { keyOfIntent } from "./intent.ts";

export interface RefundDialogProps {
  payment: Payment;
  onDone: (refund: Refund) => void;
  onClose: () => void;
}

export function RefundDialog({ payment, onDone, onClose }: RefundDialogProps) {
  const { api } = useGateway();
  const [reason, setReason] = useState("");
  const key = useRef(keyOfIntent());
  const most = actionsOn(payment).refundMinor;

  const refund = async (amount: number) => {
    const body = { amount, ...(reason.trim() === "" ? {} : { reason: reason.trim() }) };
    const path = `/payments/${payment.id}/refunds`;
    const made = await api.send<Refund>("POST", path, body, { idempotencyKey: key.current(body) });
    announce(`Refund of ${formatMoney(made.amount, made.currency)} is under way`);
    onDone(made);
  };
  return (
    <AmountDialog
      name="refund"
      verb="Refund"
      payment={payment}
      mostMinor={most}
      hint={`${formatMoney(most, payment.currency)} can be refunded.`}
      consequence={(_, money) => (
        <>
          <strong>{money}</strong> goes back to the payer of <code>{payment.id}</code>.
        </>
      )}
      danger
      onSubmit={refund}
      onClose={onClose}
    >
      <Field
        label="Reason (optional)"
        autocomplete="off"
        maxLength={255}
        testId="refund-reason-input"
        value={reason}
        onValue={setReason}
      />
    </AmountDialog>
  );
}
