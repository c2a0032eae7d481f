/** Money and time as people read them. */
import { describe, expect, it } from "vitest";
import {
  formatAgo,
  formatCount,
  formatDuration,
  formatInstrument,
  formatMoney,
  formatPercent,
  inputToMinor,
  minorToInput,
} from "./format.ts";

describe("money", () => {
  it.each([
    [50_000, "INR", "₹500.00"],
    [100, "INR", "₹1.00"],
    [7, "INR", "₹0.07"],
    [0, "INR", "₹0.00"],
    [5_000_000, "INR", "₹50,000.00"],
    [10_000_000, "INR", "₹1,00,000.00"],
    [9_007_199_254_740_991, "INR", "₹9,00,71,99,25,47,409.91"],
    [-2_550, "INR", "-₹25.50"],
    [1_234, "JPY", "JP¥1,234"],
    [1_234, "USD", "$12.34"],
  ])("shows %i %s as %s", (amountMinor, currency, text) => {
    expect(formatMoney(amountMinor, currency)).toBe(text);
  });

  it("shows a currency it does not know without failing", () => {
    expect(formatMoney(50_000, "??")).toBe("500.00");
  });

  it.each([
    ["1,500.5", 150_050],
    ["₹ 500", 50_000],
    ["0.07", 7],
    ["500.", 50_000],
    ["1.234", null],
    ["-5", null],
    ["abc", null],
    ["", null],
  ])("reads %s as %s", (text, amountMinor) => {
    expect(inputToMinor(text)).toBe(amountMinor);
  });

  it("reads back what it wrote into a field", () => {
    for (const amountMinor of [1, 99, 100, 150_050, 123_456_789]) {
      expect(inputToMinor(minorToInput(amountMinor))).toBe(amountMinor);
    }
  });
});

describe("time", () => {
  const now = Date.parse("2025-11-25T10:00:00Z");
  it.each([
    ["2025-11-25T09:59:48.000000Z", "12 seconds ago"],
    ["2025-11-25T09:55:00.000000Z", "5 minutes ago"],
    ["2025-11-24T10:00:00.000000Z", "yesterday"],
    ["2025-11-25T12:00:00.000000Z", "in 2 hours"],
  ])("shows %s as %s", (at, text) => {
    expect(formatAgo(at, now)).toBe(text);
  });

  it.each([
    [9, "9 ms"],
    [512, "512 ms"],
    [5_600, "5.6 s"],
    [125_000, "2 min 5 s"],
  ])("shows %i ms as %s", (durationMs, text) => {
    expect(formatDuration(durationMs)).toBe(text);
  });
});

it("shows shares, counts and instruments", () => {
  expect(formatPercent(0.95)).toBe("95%");
  expect(formatPercent(0.946)).toBe("94.6%");
  expect(formatCount(128_400)).toBe("1,28,400");
  expect(formatInstrument({ method: "upi", vpa: "success@upi" })).toBe("UPI success@upi");
  expect(formatInstrument({ method: "card", card_network: "visa", card_last4: "1111" })).toBe("Visa ···· 1111");
});
