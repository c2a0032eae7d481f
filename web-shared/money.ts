/**
 * What is known about a payment's money. Every sentence about money, to payers and to merchants, is chosen by this
 * one state and claims no more than it does.
 *
 *   status      reversed  what goes back                 state
 *   undecided   –         –                              undecided
 *   SUCCESS     no        nothing                        paid
 *   SUCCESS     no        some, refunded or released     part_returning · part_returned · part_kept · part_released
 *   SUCCESS     no        all, by refunds                returning · returned
 *   SUCCESS     no        all, voided or expired         voided_returning · voided_returned · voided_kept · released
 *   FAILED      no        nothing                        not_taken where the bank said so, else unconfirmed
 *   FAILED      no        the bank charged it late       late_returning · late_returned · late_kept
 *   any         yes       –                              reversed: the bank itself gave the money back
 *
 * `…ing`: a refund is still on its way. `…kept`: the bank has refused each refund of it so far. `…released`: it goes
 * back, and whether it has arrived is unknown, because the refunds are.
 */
import type { PublicPayment, PublicRefund } from "./wire.ts";

export type MoneyState =
  | "undecided"
  | "paid"
  | "part_returning"
  | "part_returned"
  | "part_kept"
  | "part_released"
  | "returning"
  | "returned"
  | "voided_returning"
  | "voided_returned"
  | "voided_kept"
  | "released"
  | "reversed"
  | "not_taken"
  | "unconfirmed"
  | "late_returning"
  | "late_returned"
  | "late_kept";

export interface Money {
  state: MoneyState;
  /** Minor units that were returned to the payer. */
  returned: number;
  /** Minor units on their way back. */
  returning: number;
  /** Minor units that should be returned, and were not: the bank refused. */
  kept: number;
}

/** The fields of a payment about its money. */
export type MoneyFacts = Pick<
  PublicPayment,
  "status" | "amount" | "amount_refunded" | "amount_released" | "voided" | "reversed" | "error_code"
>;

/** With these the bank, or the payer there, declined before any money moved. All other failures leave it open. */
const NOTHING_WAS_TAKEN: readonly (string | null)[] = [
  "CARD_DECLINED",
  "INSUFFICIENT_FUNDS",
  "UPI_DECLINED",
  "BANK_DECLINED",
  "PAYMENT_CANCELLED",
  "PAYMENT_ABANDONED",
  "CARD_DISABLED",
  "CARD_NUMBER_INVALID",
  "AUTHENTICATION_FAILED",
];

/**
 * `refunds`: the payment's, where they are known; without them what is refunded counts as returned. A release always
 * comes with an automatic refund, so a released payment without one is a payment whose refunds are unknown.
 */
export function moneyOf(payment: MoneyFacts, refunds: readonly PublicRefund[] = []): Money {
  const { amount, amount_refunded: refunded, amount_released: released } = payment;
  const sum = (counts: (refund: PublicRefund) => boolean) =>
    refunds.reduce((total, refund) => total + (counts(refund) ? refund.amount : 0), 0);
  const pending = sum(({ status }) => status === "PENDING");
  const automatic = refunds.some((refund) => refund.automatic);
  if (payment.reversed) return { state: "reversed", returned: amount, returning: 0, kept: 0 };
  if (payment.status === "FAILED") {
    const returning = Math.min(pending, refunded);
    const kept = automatic && refunded === 0 ? amount : 0;
    return { state: failedState(payment, returning, kept), returned: refunded - returning, returning, kept };
  }
  // Of a success, automatic refunds return what was released, all others are the merchant's.
  const known = released === 0 || automatic;
  const underWay = sum((refund) => refund.automatic && refund.status !== "FAILED");
  const kept = known ? Math.max(released - underWay, 0) : 0;
  const back = refunded + (known ? released - kept : 0);
  const returning = Math.min(pending, back);
  return { state: stateOf(payment, { returning, kept, known }), returned: back - returning, returning, kept };
}

function failedState({ amount_refunded: refunded, error_code: code }: MoneyFacts, returning: number, kept: number) {
  if (refunded > 0) return returning > 0 ? "late_returning" : "late_returned";
  if (kept > 0) return "late_kept";
  return NOTHING_WAS_TAKEN.includes(code) ? "not_taken" : "unconfirmed";
}

interface Back {
  returning: number;
  kept: number;
  /** Whether it is known what happened to the released money. */
  known: boolean;
}

function stateOf(payment: MoneyFacts, { returning, kept, known }: Back): MoneyState {
  const { status, amount, voided } = payment;
  const back = payment.amount_refunded + payment.amount_released;
  if (status !== "SUCCESS") return "undecided";
  if (back === 0) return "paid";
  if (kept > 0) return voided ? "voided_kept" : "part_kept";
  if (!known) return back < amount ? "part_released" : "released";
  if (back < amount) return returning > 0 ? "part_returning" : "part_returned";
  if (voided) return returning > 0 ? "voided_returning" : "voided_returned";
  return returning > 0 ? "returning" : "returned";
}
