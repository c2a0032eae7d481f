/** Every state a payment's money can be in, from every combination of facts that the API shows. */
import { describe, expect, it } from "vitest";
import { type MoneyFacts, moneyOf } from "./money.ts";
import type { PublicRefund } from "./wire.ts";

const AMOUNT = 50_000;

function facts(change: Partial<MoneyFacts>): MoneyFacts {
  return {
    status: "SUCCESS",
    amount: AMOUNT,
    amount_refunded: 0,
    amount_released: 0,
    voided: false,
    reversed: false,
    error_code: null,
    ...change,
  };
}

function refund(status: PublicRefund["status"], amount = AMOUNT, automatic = false): PublicRefund {
  return { status, amount, automatic };
}

const late = (status: PublicRefund["status"]) => refund(status, AMOUNT, true);
const FAILED = { status: "FAILED", error_code: "BANK_TIMEOUT" } as const;
const DECLINED = { status: "FAILED", error_code: "CARD_DECLINED" } as const;
const WHOLE = { amount_refunded: AMOUNT };
const VOIDED = { voided: true, amount_released: AMOUNT };
const PART = { amount_released: 20_000 };
const part = (status: PublicRefund["status"]) => refund(status, 20_000, true);

describe("what is known about the money", () => {
  it.each([
    ["created", { status: "CREATED" }, [], "undecided"],
    ["processing", { status: "PROCESSING" }, [], "undecided"],
    ["paid", {}, [], "paid"],
    ["paid, a refund was refused", {}, [refund("FAILED", 20_000)], "paid"],
    ["a part is on its way back", { amount_refunded: 20_000 }, [refund("PENDING", 20_000)], "part_returning"],
    ["a part went back", { amount_refunded: 20_000 }, [refund("PROCESSED", 20_000)], "part_returned"],
    ["a part went back, its refund unknown", { amount_refunded: 20_000 }, [], "part_returned"],
    ["all is on its way back", WHOLE, [refund("PENDING", 30_000), refund("PROCESSED", 20_000)], "returning"],
    ["all went back", WHOLE, [refund("PROCESSED")], "returned"],
    ["voided, on its way back", VOIDED, [late("PENDING")], "voided_returning"],
    ["voided, and returned", VOIDED, [late("FAILED"), late("PROCESSED")], "voided_returned"],
    ["voided, the bank refuses to return it", VOIDED, [late("FAILED"), late("FAILED")], "voided_kept"],
    ["voided, its refunds unknown", VOIDED, [], "released"],
    ["voided, another refund known", VOIDED, [refund("FAILED", 20_000)], "released"],
    [
      "expired after a refund, the rest on its way back",
      { voided: true, amount_refunded: 20_000, amount_released: 30_000 },
      [refund("PENDING", 30_000, true), refund("PROCESSED", 20_000)],
      "voided_returning",
    ],
    ["captured in part, the rest on its way back", PART, [part("PENDING")], "part_returning"],
    ["captured in part, the rest returned", PART, [part("PROCESSED")], "part_returned"],
    ["captured in part, the bank refuses to return the rest", PART, [part("FAILED")], "part_kept"],
    ["captured in part, its refunds unknown", PART, [], "part_released"],
    [
      "captured in part and refunded, all returned",
      { ...PART, amount_refunded: 30_000 },
      [refund("PROCESSED", 30_000), part("PROCESSED")],
      "returned",
    ],
    [
      "captured in part and refunded, its released part refused",
      { ...PART, amount_refunded: 30_000 },
      [refund("PROCESSED", 30_000), part("FAILED")],
      "part_kept",
    ],
    ["captured in part and refunded, its refunds unknown", { ...PART, amount_refunded: 30_000 }, [], "released"],
    ["voided, and taken back by the bank", { ...VOIDED, reversed: true }, [late("PROCESSED")], "reversed"],
    ["the bank took it back", { reversed: true }, [], "reversed"],
    ["the bank took back what was refunded", { reversed: true, ...WHOLE }, [refund("PROCESSED")], "reversed"],
    ["charged late, and taken back", { ...FAILED, reversed: true }, [late("FAILED")], "reversed"],
    ["the bank did not answer", FAILED, [], "unconfirmed"],
    ["a failure without a reason", { ...FAILED, error_code: "PAYMENT_FAILED" }, [], "unconfirmed"],
    ["a reason that this page does not know", { ...FAILED, error_code: "NEW_REASON" }, [], "unconfirmed"],
    ["no reason at all", { ...FAILED, error_code: null }, [], "unconfirmed"],
    ["charged late, on its way back", { ...FAILED, ...WHOLE }, [late("PENDING")], "late_returning"],
    ["charged late, and returned", { ...FAILED, ...WHOLE }, [late("FAILED"), late("PROCESSED")], "late_returned"],
    ["charged late, the refund refused", FAILED, [late("FAILED")], "late_kept"],
    ["declined, yet charged, the refund refused", DECLINED, [late("FAILED")], "late_kept"],
    ["declined, yet charged and returned", { ...DECLINED, ...WHOLE }, [late("PROCESSED")], "late_returned"],
  ] as const)("%s", (_, change, refunds, state) => {
    expect(moneyOf(facts(change), refunds).state).toBe(state);
  });

  it.each([
    "CARD_DECLINED",
    "INSUFFICIENT_FUNDS",
    "UPI_DECLINED",
    "BANK_DECLINED",
    "PAYMENT_CANCELLED",
    "PAYMENT_ABANDONED",
    "CARD_DISABLED",
    "CARD_NUMBER_INVALID",
    "AUTHENTICATION_FAILED",
  ])("%s is the bank's word that it took nothing", (error_code) => {
    expect(moneyOf(facts({ status: "FAILED", error_code })).state).toBe("not_taken");
  });

  it.each([
    [
      { amount_refunded: 20_000 },
      [refund("PENDING", 5_000), refund("PROCESSED", 15_000), refund("FAILED", 9_000)],
      [15_000, 5_000, 0],
    ],
    [VOIDED, [late("FAILED")], [0, 0, AMOUNT]],
    [VOIDED, [late("PROCESSED")], [AMOUNT, 0, 0]],
    [VOIDED, [], [0, 0, 0]],
    [
      { ...PART, amount_refunded: 30_000 },
      [refund("PENDING", 10_000), refund("PROCESSED", 20_000), part("FAILED")],
      [20_000, 10_000, 20_000],
    ],
    [{ ...PART, amount_refunded: 10_000 }, [refund("PENDING", 10_000)], [0, 10_000, 0]],
    [FAILED, [late("FAILED")], [0, 0, AMOUNT]],
    [{ reversed: true, ...VOIDED }, [late("PENDING")], [AMOUNT, 0, 0]],
  ] as const)("separates what went back, what is on its way and what is kept: %j", (change, refunds, amounts) => {
    const { returned, returning, kept } = moneyOf(facts(change), refunds);
    expect([returned, returning, kept]).toEqual(amounts);
  });
});
