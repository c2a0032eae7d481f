/** The sentence about the money of the payment that is shown; null where the screen itself says enough. */
import { formatMoney } from "web-shared/format";
import { type Checkout, moneyIn } from "../state/checkout.ts";
import type { Texts } from "../texts/en.ts";

export function moneyNote(state: Checkout, texts: Texts): string | null {
  const { payment } = state;
  const money = moneyIn(state);
  return (payment && money && texts.money[money.state]?.(formatMoney(payment.amount, payment.currency))) ?? null;
}
