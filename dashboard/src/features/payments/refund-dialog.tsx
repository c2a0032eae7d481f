/** Give money back: all that is left, or a part of it. */
import { useRef, useState } from "preact/hooks";
import { Field } from "web-shared/field";
import { formatMoney } from "web-shared/format";
import type { Merchant, Payment, Refund, Role } from "web-shared/wire";
import { useGateway, useMerchant, useUser } from "../../session/session-context.tsx";
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
  const user = useUser();
  const merchant = useMerchant();
  const [reason, setReason] = useState("");
  const key = useRef(keyOfIntent());
  const most = actionsOn(payment).refundMinor;

  const refund = async (amount: number) => {
    const body = { amount, ...(reason.trim() === "" ? {} : { reason: reason.trim() }) };
    const path = `/payments/${payment.id}/refunds`;
    const made = await api.send<Refund>("POST", path, body, { idempotencyKey: key.current(body) });
    announce(`Refund of ${formatMoney(made.amount, made.currency)} requested`);
    onDone(made);
  };
  return (
    <AmountDialog
      name="refund"
      verb="Refund"
      payment={payment}
      mostMinor={most}
      hint={`${formatMoney(most, payment.currency)} can be refunded. ${limitText(user.role, merchant.support_refunds)}`.trim()}
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

/** What the role may refund of one payment, if it has a limit. */
export function limitText(role: Role, limit: Merchant["support_refunds"]): string {
  if (role !== "support") return "";
  return limit === null
    ? "An owner has not set a refund limit for your role."
    : `Your role refunds up to ${formatMoney(limit.maximum_minor, limit.currency)} of one payment.`;
}
