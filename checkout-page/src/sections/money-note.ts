/** The sentence about the money of the payment that is shown; null if the screen itself is clear enough. */
import { formatMoney } from "web-shared/format";
import type { Money } from "web-shared/money";
import type { PublicPayment } from "web-shared/wire";
import { type Checkout, moneyIn } from "../state/checkout.ts";
import type { Texts } from "../texts/en.ts";

export function moneyNote(state: Checkout, texts: Texts): string | null {
  const { payment } = state;
  const money = moneyIn(state);
  if (!payment || !money) return null;
  return texts.money[money.state]?.(formatMoney(amountIn(money, payment), payment.currency)) ?? null;
}

/** The amount that the sentence is about. */
function amountIn({ state, returned, returning, kept }: Money, payment: PublicPayment): number {
  if (state === "part_released") return payment.amount_released;
  if (state.endsWith("kept")) return kept;
  if (state.endsWith("returning")) return returning;
  return state.endsWith("returned") ? returned : payment.amount;
}
