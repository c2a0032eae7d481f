/** Money and time as people read them. */
import { describe, expect, it } from "vitest";
import amounts from "../tests/vectors/amounts.json" with { type: "json" };
import {
  formatAgo,
  formatCount,
  formatDuration,
  formatMoney,
  formatMoneyCompact,
  formatMoneyFitting,
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

  it.each(amounts)("$amount minor units of $currency are $decimal", ({ amount, currency, decimal }) => {
    expect(minorToInput(amount, currency)).toBe(decimal);
    // Regardless of the browser's own table.
    expect(formatMoney(amount, currency).replace(/[^\d.-]/g, "")).toBe(decimal);
    if (amount >= 0) expect(inputToMinor(decimal, currency)).toBe(amount);
  });

  it.each([
    ["500.5", "JPY"],
    ["0.5005", "KWD"],
    ["0.50005", "CLF"],
  ])("refuses %s of %s: it has no such part", (text, currency) => {
    expect(inputToMinor(text, currency)).toBeNull();
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

describe("a compact amount", () => {
  it.each([
    [10_000_102_842_45, "INR", "₹1,000\u00a0Cr"],
    [1_234_567_00, "INR", "₹12.3\u00a0L"],
    [2_00_000_00, "INR", "₹2\u00a0L"],
    [99_949_00, "INR", "₹99.9K"],
    [99_950_00, "INR", "₹1\u00a0L"],
    [1_500_00, "INR", "₹1.5K"],
    [999_94, "INR", "₹999.9"],
    [999_95, "INR", "₹1K"],
    [0, "INR", "₹0"],
    [-250_000_00, "INR", "-₹2.5\u00a0L"],
    [1_500_000_00, "USD", "$1.5M"],
    [2_500_000_000, "JPY", "JP¥2.5B"],
  ])("%i %s is %s", (minor, currency, text) => {
    expect(formatMoneyCompact(minor, currency)).toBe(text);
  });

  it("takes the place of the full one only where that would not fit", () => {
    expect(formatMoneyFitting(99_99_999_00)).toBe("₹99,99,999.00");
    expect(formatMoneyFitting(1_00_00_000_00)).toBe("₹1\u00a0Cr");
  });
});

it("shows shares and counts", () => {
  expect(formatPercent(0.95)).toBe("95%");
  expect(formatPercent(0.946)).toBe("94.6%");
  expect(formatCount(128_400)).toBe("1,28,400");
});
