/** What the checkout shows, event by event. */

import type { Payment } from "sdk/types";
import { describe, expect, it } from "vitest";
import type { MoneyState } from "web-shared/money";
import type { Order } from "../flow/api.ts";
import { moneyNote } from "../sections/money-note.ts";
import { messageOf, titleOf } from "../sections/receipt.tsx";
import { troubleOf } from "../sections/trouble.tsx";
import { en } from "../texts/en.ts";
import hi from "../texts/hi.ts";
import ta from "../texts/ta.ts";
import {
  appLinkOf,
  bankPageOf,
  type Checkout,
  type CheckoutEvent,
  isLocked,
  moneyIn,
  reduce,
  START,
} from "./checkout.ts";

const NOW = Date.parse("2026-01-01T00:00:00Z");

function paymentOf(change: Partial<Payment> = {}): Payment {
  return {
    id: "pay_A",
    order_id: "order_A",
    amount: 50_000,
    currency: "INR",
    method: "upi",
    status: "CREATED",
    captured: false,
    amount_captured: 0,
    amount_released: 0,
    voided: false,
    void_reason: null,
    capture_before: null,
    amount_refunded: 0,
    reversed: false,
    vpa: "success@upi",
    description: null,
    receipt: null,
    error_code: null,
    error_description: null,
    next_action: null,
    cancellation: null,
    created_at: "2026-01-01T00:00:00.000000Z",
    updated_at: null,
    ...change,
  };
}

function orderOf(change: Partial<Order> = {}): Order {
  return {
    id: "order_A",
    amount: 50_000,
    currency: "INR",
    status: "CREATED",
    created_at: "2026-01-01T00:00:00.000000Z",
    receipt: null,
    description: null,
    merchant: { id: "test_merchant", name: "Test Merchant" },
    methods: ["upi", "card"],
    upi_payee: "test_merchant@gateway",
    test_mode: true,
    allowed_origins: [],
    payment: null,
    refunds: [],
    expires_at: null,
    return_url: null,
    return_to: null,
    ...change,
  };
}

function loaded(change: Partial<Order> = {}, ownPaymentId: string | null = null): CheckoutEvent {
  return { type: "loaded", order: orderOf(change), ownPaymentId, now: NOW };
}

function after(...events: CheckoutEvent[]): Checkout {
  return events.reduce(reduce, START);
}

const SUBMITTED = [loaded(), { type: "choose", method: "upi" }, { type: "submit" }] as const;
const PROCESSING = [...SUBMITTED, { type: "accepted", payment: paymentOf() }] as const;

describe("another way to pay", () => {
  const leaving = [...PROCESSING, { type: "leave" }] as const;
  const failed = (error_code: string): CheckoutEvent => ({
    type: "status",
    payment: paymentOf({ status: "FAILED", error_code }),
  });

  it("waits for the bank's word before another payment can begin", () => {
    const state = after(...leaving);
    expect([state.screen, state.payment?.cancellation]).toEqual(["processing", "requested"]);
    expect(reduce(state, { type: "submit" })).toBe(state);
  });

  it("leads back to the ways to pay once the bank has cancelled", () => {
    const state = after(...leaving, failed("PAYMENT_CANCELLED"));
    expect([state.screen, state.payment, state.method]).toEqual(["ready", null, "upi"]);
  });

  it("shows every other end as it is: the bank was faster", () => {
    expect(after(...leaving, failed("UPI_DECLINED")).screen).toBe("failed");
    expect(after(...leaving, { type: "status", payment: paymentOf({ status: "SUCCESS" }) }).screen).toBe("success");
    expect(after(...PROCESSING, failed("PAYMENT_CANCELLED")).screen).toBe("failed");
  });

  it("offers it again where the wish did not arrive", () => {
    const state = after(...leaving, { type: "stay", payment: paymentOf() });
    expect([state.screen, state.payment?.cancellation]).toEqual(["processing", null]);
  });

  it("opens no link but one that UPI apps know", () => {
    const step = (type: "app" | "redirect", url: string): string | null => {
      const next_action = { type, url, expires_at: "2026-01-01T00:10:00.000001Z" };
      return appLinkOf(after(...PROCESSING, { type: "status", payment: paymentOf({ next_action }) }));
    };
    expect(step("app", "upi://pay?pa=a%40b")).toBe("upi://pay?pa=a%40b");
    expect(step("app", "javascript:alert(1)")).toBeNull();
    expect(step("redirect", "upi://pay?pa=a%40b")).toBeNull();
  });
});

describe("the bank's page", () => {
  const waiting = (url: string): Payment =>
    paymentOf({
      status: "PROCESSING",
      next_action: { type: "redirect", url, expires_at: "2026-01-01T00:10:00.000001Z" },
    });

  it("is known while the payment waits for its payer, and after a reload", () => {
    const payment = waiting("https://bank.example/1");
    expect(bankPageOf(after(...PROCESSING, { type: "status", payment }))).toBe("https://bank.example/1");
    expect(bankPageOf(after(loaded({ payment })))).toBe("https://bank.example/1");
  });

  it("is gone once the bank has decided", () => {
    const waits: CheckoutEvent = { type: "status", payment: waiting("https://bank.example/1") };
    const decided: CheckoutEvent = { type: "status", payment: paymentOf({ status: "SUCCESS" }) };
    expect(bankPageOf(after(...PROCESSING, waits, decided))).toBeNull();
  });

  it.each(["javascript:alert(1)", "data:text/html,x", "/bank"])("is never %s", (url) => {
    expect(bankPageOf(after(loaded({ payment: waiting(url) })))).toBeNull();
  });
});

describe("loading", () => {
  it.each([
    ["an order to pay", loaded(), "ready"],
    ["a payment that runs, of whatever tab", loaded({ payment: paymentOf({ status: "PROCESSING" }) }), "processing"],
    ["a payment just accepted", loaded({ payment: paymentOf() }), "processing"],
    [
      "an order this page paid",
      loaded({ status: "PAID", payment: paymentOf({ status: "SUCCESS" }) }, "pay_A"),
      "success",
    ],
    ["an order paid elsewhere", loaded({ status: "PAID", payment: paymentOf({ status: "SUCCESS" }) }, "pay_B"), "paid"],
    ["a decline of this page, after a reload", loaded({ payment: paymentOf({ status: "FAILED" }) }, "pay_A"), "failed"],
    ["a decline of another page", loaded({ payment: paymentOf({ status: "FAILED" }) }), "ready"],
    ["an order past its time", loaded({ expires_at: "2025-12-31T23:59:59Z" }), "expired"],
    ["an order that the server has ended", loaded({ status: "EXPIRED" as Order["status"] }), "expired"],
    [
      "a cancelled order, also where this page failed to pay it",
      loaded({ status: "CANCELLED" as Order["status"], payment: paymentOf({ status: "FAILED" }) }, "pay_A"),
      "expired",
    ],
    [
      "a payment that an expired order still waits for",
      loaded({ status: "EXPIRED", payment: paymentOf({ status: "PROCESSING" }) }),
      "processing",
    ],
    ["an order with time left", loaded({ expires_at: "2026-01-01T00:00:01Z" }), "ready"],
  ])("shows %s", (_, event, screen) => {
    expect(after(event).screen).toBe(screen);
  });

  it.each(["not_found", "refused", "offline", "server_down"] as const)("shows %s where there is no order", (screen) => {
    expect(after({ type: "load_failed", screen }).screen).toBe(screen);
  });

  it("keeps what it shows where only a later reload fails", () => {
    expect(after(loaded(), { type: "load_failed", screen: "server_down" }).screen).toBe("ready");
  });

  it("recovers from a lost server", () => {
    expect(after({ type: "load_failed", screen: "server_down" }, loaded()).screen).toBe("ready");
  });

  it("shows the receipt where another tab paid meanwhile", () => {
    expect(after(loaded(), loaded({ status: "PAID", payment: paymentOf({ status: "SUCCESS" }) })).screen).toBe("paid");
  });
});

describe("paying", () => {
  it("chooses no method at first", () => {
    expect(after(loaded()).method).toBeNull();
  });

  it("goes from submit to success", () => {
    expect(after(...SUBMITTED).screen).toBe("submitting");
    expect(after(...PROCESSING).screen).toBe("processing");
    const end = after(...PROCESSING, { type: "status", payment: paymentOf({ status: "SUCCESS" }) });
    expect(end.screen).toBe("success");
    expect(end.payment?.id).toBe("pay_A");
  });

  it("shows a decline with the bank's reason, and starts again with nothing of it left", () => {
    const declined = paymentOf({ status: "FAILED", error_code: "UPI_DECLINED", error_description: "Declined" });
    const failed = after(...PROCESSING, { type: "status", payment: declined });
    expect(failed).toMatchObject({
      screen: "failed",
      problem: { code: "UPI_DECLINED", text: "Declined", retryable: true },
    });
    expect(reduce(failed, { type: "retry" })).toMatchObject({
      screen: "ready",
      payment: null,
      problem: null,
      method: "upi",
    });
  });

  it("does not offer another try where none can help", () => {
    const final = after(...SUBMITTED, { type: "stopped", problem: { code: "X", text: "no", retryable: false } });
    expect(reduce(final, { type: "retry" })).toBe(final);
  });

  it("returns to the form where the API refused a field", () => {
    const problem = { field: "vpa", code: "INVALID_VPA", text: "VPA format invalid" };
    expect(after(...SUBMITTED, { type: "rejected", problem })).toMatchObject({
      screen: "ready",
      fieldProblem: problem,
    });
  });

  it("asks the server where the order moved on without this page", () => {
    expect(after(...SUBMITTED, { type: "overtaken" }).screen).toBe("loading");
  });

  it("keeps asking where the server is lost at that moment", () => {
    const lost = after(...SUBMITTED, { type: "overtaken" }, { type: "load_failed", screen: "server_down" });
    expect(lost.screen).toBe("server_down");
    expect(reduce(lost, loaded({ payment: paymentOf() })).screen).toBe("processing");
  });

  it("lets no reload interrupt a request that is under way", () => {
    expect(after(...SUBMITTED, loaded()).screen).toBe("submitting");
  });

  it("never leaves success, whatever comes late", () => {
    const success = after(...PROCESSING, { type: "status", payment: paymentOf({ status: "SUCCESS" }) });
    const late: CheckoutEvent[] = [
      { type: "status", payment: paymentOf({ status: "PROCESSING" }) },
      { type: "status", payment: paymentOf({ status: "FAILED" }) },
      { type: "submit" },
      { type: "retry" },
      { type: "expire" },
      { type: "stopped", problem: { code: "X", text: "x", retryable: true } },
      loaded(),
    ];
    for (const event of late) expect(reduce(success, event).screen, event.type).toBe("success");
  });

  it("offers no other try for an order that is over, and says so once the server does", () => {
    const late = paymentOf({ status: "FAILED", error_code: "ORDER_EXPIRED" });
    const failed = after(...PROCESSING, { type: "status", payment: late });
    expect(failed).toMatchObject({ screen: "failed", problem: { retryable: false } });
    const refunds = [{ amount: 50_000, status: "PENDING", automatic: true } as const];
    const payment = { ...late, amount_refunded: 50_000 };
    const over = reduce(failed, loaded({ status: "EXPIRED", payment, refunds }, "pay_A"));
    expect(over.screen).toBe("expired");
    expect(troubleOf(over, en)).toMatchObject({
      title: "This order has expired",
      hint: "₹500.00 was taken after all. It is on its way back to the account it was paid from.",
      paymentId: "pay_A",
    });
  });

  it.each(["CANCELLED", "EXPIRED"] as const)("stops where the order is %s meanwhile", (status) => {
    expect(reduce(after(loaded()), loaded({ status })).screen).toBe("expired");
    const failed = after(...PROCESSING, { type: "status", payment: paymentOf({ status: "FAILED" }) });
    expect(reduce(failed, loaded({ status, payment: failed.payment }, "pay_A")).screen).toBe("expired");
  });

  it("hears nothing of another payment", () => {
    const other = paymentOf({ id: "pay_B", status: "SUCCESS" });
    expect(after(...PROCESSING, { type: "status", payment: other }).screen).toBe("processing");
  });

  it("takes no second submit, and none before the order is known", () => {
    const submitting = after(...SUBMITTED);
    expect(reduce(submitting, { type: "submit" })).toBe(submitting);
    expect(after({ type: "submit" }).screen).toBe("loading");
  });

  it("does not expire under a payment that runs", () => {
    expect(after(...PROCESSING, { type: "expire" }).screen).toBe("processing");
    expect(after(loaded(), { type: "expire" }).screen).toBe("expired");
  });
});

describe("what became of the money", () => {
  const failed = paymentOf({ status: "FAILED", error_code: "BANK_TIMEOUT" });
  const refunds = [{ amount: 50_000, status: "PROCESSED", automatic: true } as const];

  it("is seen when the page of a failed payment looks again", () => {
    const before = after(...PROCESSING, { type: "status", payment: failed });
    expect(moneyIn(before)?.state).toBe("unconfirmed");
    const now = reduce(before, loaded({ payment: { ...failed, amount_refunded: 50_000 }, refunds }, "pay_A"));
    expect(now.screen).toBe("failed");
    expect(moneyIn(now)?.state).toBe("late_returned");
  });

  it("is not read from the refunds of another payment", () => {
    const other = loaded({ payment: paymentOf({ id: "pay_B", status: "FAILED" }), refunds });
    const steps = [other, { type: "choose", method: "upi" }, { type: "submit" }] as const;
    const now = after(...steps, { type: "accepted", payment: failed });
    expect(moneyIn(now)?.state).toBe("unconfirmed");
  });
});

describe("a payment that its shop does not keep", () => {
  const success = after(...PROCESSING, { type: "status", payment: paymentOf({ status: "SUCCESS" }) });

  function seen(change: Partial<Payment>, refunds: Order["refunds"], ownPaymentId: string | null = "pay_A"): Checkout {
    const payment = paymentOf({ status: "SUCCESS", ...change });
    return reduce(ownPaymentId ? success : START, loaded({ status: "PAID", payment, refunds }, ownPaymentId));
  }

  const released = (status: "PENDING" | "PROCESSED" | "FAILED", amount = 50_000) =>
    [{ amount, status, automatic: true }] as const;
  const requested = { voided: true, void_reason: "requested", amount_released: 50_000 } as const;
  const expired = { ...requested, void_reason: "expired" } as const;

  it.each([
    [requested, released("PENDING"), "This payment was cancelled", /^The shop has cancelled it. ₹500.00 is on its way/],
    [requested, released("PROCESSED"), "This payment was cancelled", /^The shop has cancelled it. ₹500.00 went back/],
    [
      requested,
      released("FAILED"),
      "This payment was cancelled",
      /it. ₹500.00 has not gone back yet. Contact the shop/,
    ],
    [requested, [], "This payment was cancelled", /^The shop has cancelled it. ₹500.00 goes back/],
    [expired, released("PENDING"), "This payment has expired", /^The shop did not accept it in time. ₹500.00 is on/],
    [expired, released("PROCESSED"), "This payment has expired", /in time. ₹500.00 went back/],
    [
      { ...expired, amount_refunded: 20_000, amount_released: 30_000 },
      [...released("PENDING", 30_000), { amount: 20_000, status: "PROCESSED", automatic: false }],
      "This payment has expired",
      /in time. ₹300.00 is on its way back/,
    ],
    [
      { ...requested, reversed: true },
      released("PROCESSED"),
      "This payment was reversed",
      /^The bank has returned ₹500/,
    ],
    [
      { amount_released: 20_000 },
      released("PENDING", 20_000),
      "Payment successful",
      /^Your payment has been processed/,
    ],
    [{ amount_released: 20_000 }, released("FAILED", 20_000), "Payment successful", /^₹200.00 has not gone back yet/],
    [{ amount_released: 20_000 }, [], "Payment successful", /^₹200.00 goes back/],
  ] as const)("%j with %j", (change, refunds, title, message) => {
    const own = seen(change, [...refunds]);
    expect(own.screen).toBe("success");
    expect(titleOf(own, en)).toBe(title);
    expect(messageOf(own, en)).toMatch(message);
    const opened = seen(change, [...refunds], null);
    expect(opened.screen).toBe("paid");
    if (moneyNote(opened, en)) expect(messageOf(opened, en)).toMatch(message);
  });

  it("is not mistaken for another one that is paid with", () => {
    const other = paymentOf({ id: "pay_B", status: "SUCCESS" });
    expect(reduce(success, loaded({ status: "PAID", payment: other }))).toBe(success);
  });
});

describe("every sentence about money", () => {
  const STATES: readonly MoneyState[] = [
    "returning",
    "returned",
    "voided_returning",
    "voided_returned",
    "voided_kept",
    "released",
    "part_released",
    "part_kept",
    "reversed",
    "not_taken",
    "unconfirmed",
    "late_returning",
    "late_returned",
    "late_kept",
  ];

  it.each([en, hi, ta])("is there in every state in which the screen alone would mislead", ({ money, titles }) => {
    expect(Object.keys(money).sort()).toEqual([...STATES].sort());
    for (const state of STATES.filter((one) => one !== "not_taken" && one !== "unconfirmed"))
      expect(money[state]?.("₹500.00")).toContain("₹500.00");
    expect(Object.keys(titles)).toEqual(["returning", "returned", "reversed"]);
  });

  it("promises that nothing was taken only where the bank said so", () => {
    const texts = JSON.stringify(en);
    expect(texts).not.toMatch(/never charged|Nothing was charged(?! by this attempt)/);
    for (const text of Object.values(en.declines)) expect(text).not.toMatch(/charged|money/i);
  });
});

it("locks the modal exactly while a payment is on its way", () => {
  const screens = ["loading", "ready", "submitting", "processing", "success", "failed", "paid", "expired"] as const;
  expect(screens.filter(isLocked)).toEqual(["submitting", "processing"]);
});
