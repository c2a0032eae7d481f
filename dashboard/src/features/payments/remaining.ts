/** What can still be done with a payment. The server decides; this keeps buttons away that it would refuse. */
import type { Payment } from "web-shared/wire";

/** Minor units that can still be refunded; 0 where nothing can. */
export function refundableMinor(payment: Payment): number {
  return payment.status === "SUCCESS" && !payment.reversed ? Math.max(payment.amount - payment.amount_refunded, 0) : 0;
}

export function isCapturable(payment: Payment): boolean {
  return payment.status === "SUCCESS" && !payment.reversed && !payment.captured && payment.amount_refunded === 0;
}
