/**
 * What is known about a payment's money. Every sentence about money, to payers and to merchants, is chosen by this
 * one state and says no more than it does.
 *
 *   status      reversed  refunds                        state
 *   undecided   –         –                              undecided
 *   SUCCESS     no        none · some · all of it        paid · part_returning, part_returned · returning, returned
 *   FAILED      no        none                           not_taken where the bank said so, else unconfirmed
 *   FAILED      no        automatic: the bank charged    late_returning · late_returned · late_kept (none stands)
 *   any         yes       –                              reversed: the bank itself gave the money back
 *
 * `…ing`: a refund is still on its way.
 */
import type { PublicPayment, PublicRefund } from "./wire.ts";

export type MoneyState =
  | "undecided"
  | "paid"
  | "part_returning"
  | "part_returned"
  | "returning"
  | "returned"
  | "reversed"
  | "not_taken"
  | "unconfirmed"
  | "late_returning"
  | "late_returned"
  | "late_kept";

export interface Money {
  state: MoneyState;
  /** Minor units that went back to the payer. */
  returned: number;
  /** Minor units on their way back. */
  returning: number;
}

/** The fields of a payment that say something about its money. */
export type MoneyFacts = Pick<PublicPayment, "status" | "amount" | "amount_refunded" | "reversed" | "error_code">;

/** With these the bank, or the payer there, said no before any money moved. All other failures leave it open. */
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

/** `refunds`: the payment's, where they are known; without them what is refunded counts as returned. */
export function moneyOf(payment: MoneyFacts, refunds: readonly PublicRefund[] = []): Money {
  const pending = refunds.reduce((sum, { status, amount }) => sum + (status === "PENDING" ? amount : 0), 0);
  const returning = Math.min(pending, payment.amount_refunded);
  const returned = payment.amount_refunded - returning;
  if (payment.reversed) return { state: "reversed", returned: payment.amount, returning: 0 };
  return { state: stateOf(payment, refunds, returning > 0), returned, returning };
}

function stateOf(payment: MoneyFacts, refunds: readonly PublicRefund[], returning: boolean): MoneyState {
  const { status, amount, amount_refunded: refunded, error_code: code } = payment;
  if (status !== "SUCCESS" && status !== "FAILED") return "undecided";
  if (status === "FAILED") {
    if (refunded > 0) return returning ? "late_returning" : "late_returned";
    if (refunds.some((refund) => refund.automatic)) return "late_kept";
    return NOTHING_WAS_TAKEN.includes(code) ? "not_taken" : "unconfirmed";
  }
  if (refunded === 0) return "paid";
  if (refunded < amount) return returning ? "part_returning" : "part_returned";
  return returning ? "returning" : "returned";
}
