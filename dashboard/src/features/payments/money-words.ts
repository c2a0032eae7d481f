/** What happened to a payment's money, for the merchant; nothing if its status is clear enough. */
import { type MoneyState, moneyOf } from "web-shared/money";
import type { Payment, Refund } from "web-shared/wire";

const WORDS: Readonly<Record<MoneyState, string>> = {
  undecided: "",
  paid: "",
  part_returning: "partial refund on its way",
  part_returned: "partly refunded",
  part_kept: "refund of the rest refused",
  part_released: "",
  returning: "refund on its way",
  returned: "refunded",
  voided_returning: "refund on its way",
  voided_returned: "refunded",
  voided_kept: "refund refused",
  released: "",
  reversed: "reversed",
  not_taken: "",
  unconfirmed: "not confirmed by the bank",
  late_returning: "charged late, refund on its way",
  late_returned: "charged late, refunded",
  late_kept: "charged late, refund refused",
};

const VOIDED = { requested: "voided", expired: "expired uncaptured" } as const;

/** `refunds`: the payment's, if they are known; without them a refund counts as carried out. */
export function moneyWords(payment: Payment, refunds: readonly Refund[] = []): string {
  return [releaseWords(payment), backWords(payment, refunds)].filter((words) => words !== "").join(", ");
}

function releaseWords({ void_reason, amount_released }: Payment): string {
  if (void_reason) return VOIDED[void_reason];
  return amount_released > 0 ? "partly captured" : "";
}

function backWords(payment: Payment, refunds: readonly Refund[]): string {
  const words = WORDS[moneyOf(payment, refunds).state];
  if (payment.amount_owed === 0) return words;
  return `${payment.reversed ? words : "over-refunded"}, owed`;
}
