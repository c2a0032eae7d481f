/** Take the money of a success: all that is left, or a part, which releases the rest. */
import { useRef } from "preact/hooks";
import { formatMoney } from "web-shared/format";
import type { Payment } from "web-shared/wire";
import { useGateway } from "../../session/session-context.tsx";
import { announce } from "../../ui/announcer.tsx";
import { actionsOn } from "./actions.ts";
import { AmountDialog } from "./amount-dialog.tsx";
import { keyOfIntent } from "./intent.ts";

export interface CaptureDialogProps {
  payment: Payment;
  onDone: (payment: Payment) => void;
  onClose: () => void;
}

export function CaptureDialog({ payment, onDone, onClose }: CaptureDialogProps) {
  const { api } = useGateway();
  const key = useRef(keyOfIntent());
  const { currency } = payment;
  const most = actionsOn(payment).captureMinor;

  const capture = async (amount: number) => {
    const path = `/payments/${payment.id}/capture`;
    const captured = await api.send<Payment>("POST", path, { amount }, { idempotencyKey: key.current({ amount }) });
    announce(`${formatMoney(captured.amount_captured, currency)} captured`);
    onDone(captured);
  };
  return (
    <AmountDialog
      name="capture"
      verb="Capture"
      payment={payment}
      mostMinor={most}
      hint={`${formatMoney(most, currency)} can be captured, once. What you leave goes back to the payer.`}
      consequence={(amount, money) => (
        <>
          <strong>{money}</strong> is settled to you
          {amount < most && (
            <>
              , and <strong>{formatMoney(most - amount, currency)}</strong> goes back to the payer
            </>
          )}
          . What is captured can still be refunded.
        </>
      )}
      onSubmit={capture}
      onClose={onClose}
    />
  );
}
