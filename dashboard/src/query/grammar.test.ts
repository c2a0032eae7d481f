/** The search box: what it understands, its errors, and that it reads back what it writes. */
import { describe, expect, it } from "vitest";
import { filtersFromSearch, filtersToSearch, NO_FILTERS } from "./filters.ts";
import { filtersToText, understand } from "./grammar.ts";

const TODAY = new Date(2026, 10, 25, 14, 30);

describe("a line that is a filter", () => {
  it.each([
    ["", {}],
    ["name@bank", { text: "name@bank" }],
    ["1111", { text: "1111" }],
    ["asha rao status:failed", { text: "asha rao", status: "FAILED" }],
    ["order:order_abc", { orderId: "order_abc" }],
    ["order_abc status:failed", { orderId: "order_abc", status: "FAILED" }],
    ["status:failed amount>500", { status: "FAILED", amountMin: 50_001 }],
    ["amount>=500", { amountMin: 50_000 }],
    ["amount<0.01", { amountMax: 0 }],
    ["amount:500..900.5", { amountMin: 50_000, amountMax: 90_050 }],
    ["amount>500 currency:jpy", { currency: "JPY", amountMin: 501 }],
    ["currency:KWD amount:0.5..1", { currency: "KWD", amountMin: 500, amountMax: 1_000 }],
    ["METHOD:UPI captured:no", { method: "upi", captured: false }],
    ["from:7d to:today", { from: "2026-11-18", to: "2026-11-25" }],
    ["from:2026-11-01", { from: "2026-11-01" }],
  ])("reads %j", (line, expected) => {
    expect(understand(line, TODAY)).toEqual({ kind: "filters", filters: { ...NO_FILTERS, ...expected } });
  });

  it("reads back what it writes, and so does the address", () => {
    const line =
      "name@bank order:order_abc status:failed method:card amount:5..9.5 captured:yes from:2026-11-01 to:2026-11-02";
    const first = understand(line, TODAY);
    if (first.kind !== "filters") throw new Error(first.kind);
    expect(understand(filtersToText(first.filters), TODAY)).toEqual(first);
    expect(filtersFromSearch(filtersToSearch(first.filters))).toEqual(first.filters);
  });

  it.each(["order:order_abc", "currency:JPY amount:5..900", "currency:KWD amount>=0.5", "currency:OMR amount:1.005"])(
    "and %s",
    (line) => {
      const read = understand(line, TODAY);
      expect(read.kind === "filters" && filtersToText(read.filters)).toBe(line);
    },
  );
});

describe("a lone identifier", () => {
  it.each([
    ["pay_6FMSrit5mV5JZkEd", "/dashboard/payments/pay_6FMSrit5mV5JZkEd"],
    ["order_6FMSrit5mV5JZkEd", "/dashboard/orders/order_6FMSrit5mV5JZkEd"],
    ["plink_6FMSrit5mV5JZkEd", "/dashboard/links?q=plink_6FMSrit5mV5JZkEd"],
    ["rfnd_6FMSrit5mV5JZkEd", "/dashboard/refunds/rfnd_6FMSrit5mV5JZkEd"],
    ["evt_6FMSrit5mV5JZkEd_3", "/dashboard/events/evt_6FMSrit5mV5JZkEd_3"],
    ["01A214F5-44a9-874c-8a27-b2aacdb8b877", "/dashboard/webhooks/deliveries/01a214f5-44a9-874c-8a27-b2aacdb8b877"],
  ])("%s leads to its page", (word, path) => {
    expect(understand(word)).toEqual({ kind: "goto", path });
  });
});

describe("a line that is not understood", () => {
  it.each([
    "colour:red",
    "currency:rupees",
    "amount>500.5 currency:JPY",
    "status:lost",
    "status>failed",
    "amount>much",
    "amount:9..5",
    "from:2026-02-31",
    "from:today to:yesterday",
    "captured:maybe",
    "status:",
    "x".repeat(201),
  ])("is answered with a sentence: %s", (line) => {
    const understood = understand(line, TODAY);
    expect(understood.kind).toBe("problem");
    expect(understood.kind === "problem" && understood.message).toMatch(/[.]$|\d|: /);
  });
});

it("takes nothing malformed from the address", () => {
  const search = "?status=lost&method=cash&amount_min=-5&amount_max=1e9&from=yesterday&to=2026-13-01&captured=maybe";
  expect(filtersFromSearch(search)).toEqual(NO_FILTERS);
});
