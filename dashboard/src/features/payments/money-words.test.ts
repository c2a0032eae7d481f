/** The few words beside a payment's status. */
import { expect, it } from "vitest";
import type { Payment, Refund } from "web-shared/wire";
import { moneyWords } from "./money-words.ts";

const PAID = {
  status: "SUCCESS",
  amount: 50_000,
  amount_refunded: 0,
  amount_released: 0,
  amount_owed: 0,
  voided: false,
  void_reason: null,
  reversed: false,
  error_code: null,
} as Payment;
const VOIDED = { voided: true, void_reason: "requested", amount_released: 50_000 } as const;
const LATE = { voided: true, void_reason: "expired", amount_released: 50_000 } as const;
const release = (status: Refund["status"], amount = 50_000) => [{ status, amount, automatic: true } as Refund];

it.each([
  [{}, [], ""],
  [VOIDED, [], "voided"],
  [VOIDED, release("PENDING"), "voided, refund on its way"],
  [VOIDED, release("PROCESSED"), "voided, refunded"],
  [VOIDED, release("FAILED"), "voided, refund refused"],
  [LATE, [], "expired uncaptured"],
  [LATE, release("PROCESSED"), "expired uncaptured, refunded"],
  [{ captured: true, amount_released: 20_000 }, [], "partly captured"],
  [
    { captured: true, amount_released: 20_000 },
    release("PENDING", 20_000),
    "partly captured, partial refund on its way",
  ],
  [
    { captured: true, amount_released: 20_000 },
    release("FAILED", 20_000),
    "partly captured, refund of the rest refused",
  ],
  [{ amount_refunded: 20_000 }, [], "partly refunded"],
  [{ reversed: true }, [], "reversed"],
  [{ reversed: true, amount_owed: 20_000 }, [], "reversed, owed"],
  [{ ...VOIDED, amount_owed: 20_000 }, release("PROCESSED"), "voided, over-refunded, owed"],
] as const)("%j with %j reads %s", (change, refunds, words) => {
  expect(moneyWords({ ...PAID, ...change }, [...refunds])).toBe(words);
});
