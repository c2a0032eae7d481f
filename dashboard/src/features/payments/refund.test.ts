/** What can be given back, and what a person may type. */
import { expect, it } from "vitest";
import type { Payment } from "web-shared/wire";
import { amountProblem } from "./refund-dialog.tsx";
import { isCapturable, refundableMinor } from "./remaining.ts";

const PAID = { status: "SUCCESS", amount: 50_000, amount_refunded: 20_000, captured: false } as Payment;

it("lets back only what remains, and only of a success", () => {
  expect(refundableMinor(PAID)).toBe(30_000);
  expect(refundableMinor({ ...PAID, amount_refunded: 50_000 })).toBe(0);
  expect(refundableMinor({ ...PAID, status: "PROCESSING" })).toBe(0);
  expect(refundableMinor({ ...PAID, reversed: true })).toBe(0);
});

it("offers a capture once, and not after a refund", () => {
  expect(isCapturable({ ...PAID, amount_refunded: 0 })).toBe(true);
  expect(isCapturable(PAID)).toBe(false);
  expect(isCapturable({ ...PAID, amount_refunded: 0, captured: true })).toBe(false);
  expect(isCapturable({ ...PAID, amount_refunded: 0, reversed: true })).toBe(false);
});

it.each([
  [null, /Enter an amount/],
  [0, /more than nothing/],
  [30_001, /At most ₹300.00/],
])("says what is wrong with %s", (amount, sentence) => {
  expect(amountProblem(amount, 30_000, "INR")).toMatch(sentence);
});

it("accepts all that remains", () => {
  expect(amountProblem(30_000, 30_000, "INR")).toBeNull();
});
