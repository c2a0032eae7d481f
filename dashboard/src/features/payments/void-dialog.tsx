/** Release the money of a success that is not captured. */
import { useState } from "preact/hooks";
import { formatMoney } from "web-shared/format";
import type { Payment } from "web-shared/wire";
import { newIdempotencyKey } from "../../api/client.ts";
import { useGateway } from "../../session/session-context.tsx";
import { announce } from "../../ui/announcer.tsx";
import { Confirm } from "../../ui/confirm.tsx";
import type { CaptureDialogProps } from "./capture-dialog.tsx";

export function VoidDialog({ payment, onDone, onClose }: CaptureDialogProps) {
  const { api } = useGateway();
  const [idempotencyKey] = useState(newIdempotencyKey);
  const money = formatMoney(payment.amount, payment.currency);
  const release = async () => {
    onDone(await api.send<Payment>("POST", `/payments/${payment.id}/void`, {}, { idempotencyKey }));
    announce(`${money} goes back to the payer`);
  };
  return (
    <Confirm title="Void" confirmText={`Void ${money}`} onConfirm={release} onClose={onClose}>
      <p>
        <strong>{money}</strong> goes back to the payer, and the payment can no longer be captured. This cannot be
        undone.
      </p>
    </Confirm>
  );
}
