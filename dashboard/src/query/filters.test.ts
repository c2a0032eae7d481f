/** The address, the API's parameters, and whether a payment that arrives belongs on the list. */
import { expect, it } from "vitest";
import type { Payment } from "web-shared/wire";
import { filtersToQuery, matchesFilters, NO_FILTERS } from "./filters.ts";

const PAYMENT: Payment = {
  id: "pay_1",
  order_id: "order_1",
  merchant_id: "mrc_1",
  amount: 50_000,
  currency: "INR",
  method: "upi",
  status: "SUCCESS",
  captured: false,
  amount_captured: 0,
  amount_released: 0,
  voided: false,
  void_reason: null,
  capture_before: null,
  amount_refunded: 0,
  amount_owed: 0,
  reversed: false,
  vpa: "Name@bank",
  name: "Asha Rao",
  email: null,
  contact: "+919876543210",
  description: null,
  receipt: "invoice-42",
  notes: {},
  error_code: null,
  error_description: null,
  next_action: null,
  cancellation: null,
  created_at: "2026-11-25T10:00:00.000000Z",
  updated_at: null,
};

it("asks the API for whole days, both ends included", () => {
  const { from, to } = filtersToQuery({ ...NO_FILTERS, from: "2026-11-25", to: "2026-11-25" });
  expect(Date.parse(String(to)) - Date.parse(String(from))).toBe(86_400_000);
});

it("takes an amount without a currency for rupees", () => {
  expect(filtersToQuery({ ...NO_FILTERS, amountMin: 50_000 })).toMatchObject({ amount_min: 50_000, currency: "INR" });
  expect(filtersToQuery({ ...NO_FILTERS, amountMin: 500, currency: "JPY" })).toMatchObject({ currency: "JPY" });
  expect(filtersToQuery(NO_FILTERS).currency).toBeNull();
  const dollars = { ...PAYMENT, currency: "USD" };
  expect(matchesFilters({ ...NO_FILTERS, amountMin: 50_000 }, dollars)).toBe(false);
});

it.each([
  [{}, true],
  [{ status: "SUCCESS" }, true],
  [{ status: "FAILED" }, false],
  [{ text: "name@BANK" }, true],
  [{ text: "name" }, true],
  [{ text: "ame@bank" }, false],
  [{ text: "asha r" }, true],
  [{ text: "98765-4" }, true],
  [{ text: "+91 98765" }, true],
  [{ text: "98765" }, false],
  [{ text: "invoice-4" }, true],
  [{ text: "INVOICE" }, false],
  [{ text: "order_" }, false],
  [{ amountMin: 50_000, amountMax: 50_000 }, true],
  [{ amountMin: 50_001 }, false],
  [{ currency: "INR" }, true],
  [{ currency: "USD" }, false],
  [{ captured: true }, false],
  [{ method: "card" }, false],
  [{ from: "2026-11-26T00:00:00Z" }, false],
  [{ to: "2026-11-25T10:00:00.000Z" }, false],
] as const)("a payment that arrives is judged under %j", (filters, belongs) => {
  expect(matchesFilters({ ...NO_FILTERS, ...filters }, PAYMENT)).toBe(belongs);
});
