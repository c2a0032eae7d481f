/** What can still be done with a payment. The API decides; this offers exactly what it accepts. */
import type { Payment } from "web-shared/wire";

export interface Actions {
  /** The most that can be captured, in minor units; 0 where nothing can. */
  captureMinor: number;
  canVoid: boolean;
  /** The most that can be refunded, in minor units; 0 where nothing can. */
  refundMinor: number;
}

/** The fields of a payment that decide it. */
export type ActionFacts = Pick<
  Payment,
  "status" | "amount" | "captured" | "amount_refunded" | "amount_released" | "voided" | "reversed" | "capture_before"
>;

export function actionsOn(payment: ActionFacts, now: number = Date.now()): Actions {
  const left = leftOf(payment);
  const waits = !payment.captured && !payment.voided;
  const inTime = payment.capture_before === null || now < Date.parse(payment.capture_before);
  return {
    captureMinor: waits && inTime ? left : 0,
    // Only as a whole, and also once the time for the capture is over.
    canVoid: waits && left === payment.amount,
    refundMinor: left,
  };
}

/** Minor units that are neither released nor refunded. */
function leftOf(payment: ActionFacts): number {
  if (payment.status !== "SUCCESS" || payment.reversed) return 0;
  return payment.amount - payment.amount_released - payment.amount_refunded;
}
