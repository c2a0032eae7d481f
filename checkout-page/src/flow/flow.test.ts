// @vitest-environment happy-dom
/** The moving parts around the reducer: address, attempts, retries, refusals, polling, the line to the parent. */

import type { Payment } from "sdk/types";
import { describe, expect, it, vi } from "vitest";
import { type Place, readPlace } from "../place.ts";
import type { Checkout } from "../state/checkout.ts";
import { en } from "../texts/en.ts";
import hi from "../texts/hi.ts";
import ta from "../texts/ta.ts";
import { type Api, CallFailed, type Order } from "./api.ts";
import { attemptsOf } from "./attempt.ts";
import { pollDelayMs } from "./follow.ts";
import { isAllowed, openLine, type ParentLine } from "./parent.ts";
import { payAttempt, payUntilDecided } from "./pay.ts";
import { fieldProblemOf } from "./refusal.ts";
import { shopOf } from "./use-return.ts";

describe("the address", () => {
  it("names order, look, language and opener", () => {
    const place = readPlace(
      "http://pay.test/checkout?order_id=order_A&embedded=true&theme=dark&locale=hi#n-1~http://shop.test:8080",
    );
    expect(place).toEqual({
      orderId: "order_A",
      testMode: false,
      theme: "dark",
      locale: "hi",
      embedded: true,
      opener: { nonce: "n-1", origin: "http://shop.test:8080" },
    });
  });

  it.each([
    "",
    "#",
    "#nonce",
    "#nonce~",
    "#nonce~null",
    "#nonce~http://shop.test/path",
    "#~http://shop.test",
    "#n~javascript:1",
  ])("has no opener in %s", (hash) => {
    expect(readPlace(`http://pay.test/?order_id=x${hash}`).opener).toBeNull();
  });

  it("takes the browser's language where none is asked for", () => {
    expect(readPlace("http://pay.test/", ["hi-IN"]).locale).toBe("hi");
    expect(readPlace("http://pay.test/?locale=ta", ["hi-IN"]).locale).toBe("ta");
    expect(readPlace("http://pay.test/?locale=en", ["hi-IN"]).locale).toBe("en");
    expect(readPlace("http://pay.test/", ["de-DE"]).locale).toBe("en");
  });
});

describe("attempts", () => {
  it("keep one key over clicks and reloads, until the payment failed", () => {
    sessionStorage.clear();
    const key = attemptsOf("order_A", sessionStorage).begin().key;
    expect(key.length).toBeGreaterThanOrEqual(32);
    expect(attemptsOf("order_A", sessionStorage).begin().key).toBe(key);
    const reloaded = attemptsOf("order_A", sessionStorage);
    reloaded.became("pay_A");
    expect(attemptsOf("order_A", sessionStorage).current()).toEqual({ key, payment_id: "pay_A" });
    reloaded.end();
    expect(attemptsOf("order_A", sessionStorage).begin().key).not.toBe(key);
  });

  it("whose answer was lost own the payment that came after them, and no older one", () => {
    sessionStorage.clear();
    const before = attemptsOf("order_A", sessionStorage);
    before.saw("pay_A");
    before.begin();
    const reloaded = attemptsOf("order_A", sessionStorage);
    reloaded.saw("pay_A");
    expect(reloaded.current()?.payment_id).toBeUndefined();
    reloaded.saw("pay_B");
    expect(reloaded.current()?.payment_id).toBe("pay_B");
  });

  it("know the payment of the attempt before, also where the order was not read again", () => {
    const attempts = attemptsOf("order_A", null);
    attempts.begin();
    attempts.became("pay_A");
    attempts.end();
    attempts.begin();
    attempts.saw("pay_A");
    expect(attempts.current()?.payment_id).toBeUndefined();
  });

  it("are one for each order", () => {
    expect(attemptsOf("order_B", sessionStorage).begin().key).not.toBe(
      attemptsOf("order_C", sessionStorage).begin().key,
    );
  });

  it("still guard where the browser forbids storage", () => {
    const attempts = attemptsOf("order_A", null);
    expect(attempts.begin().key).toBe(attempts.begin().key);
  });

  it("begin anew where the storage holds something else", () => {
    sessionStorage.setItem("attempt order_D", "{broken");
    expect(attemptsOf("order_D", sessionStorage).current()).toBeNull();
  });
});

describe("sending a payment", () => {
  const instrument = { method: "upi", vpa: "success@upi" } as const;
  const payment = { id: "pay_A", status: "CREATED" } as Payment;

  function apiThat(...responses: (Payment | CallFailed)[]): { api: Api; keys: string[] } {
    const keys: string[] = [];
    const pay: Api["pay"] = async (_order, _instrument, key) => {
      keys.push(key);
      const response = responses.shift();
      if (response instanceof CallFailed || !response) throw response ?? new CallFailed("unreachable");
      return response;
    };
    return { api: { pay } as Api, keys };
  }

  it("repeats under the same key until there is an answer", async () => {
    const { api, keys } = apiThat(
      new CallFailed("unreachable"),
      new CallFailed("offline"),
      new CallFailed("busy", 429),
      payment,
    );
    expect(await payUntilDecided(api, "order_A", instrument, "key-1", async () => {})).toBe(payment);
    expect(keys).toEqual(["key-1", "key-1", "key-1", "key-1"]);
  });

  it("waits as long as the server asks", async () => {
    const { api } = apiThat(new CallFailed("busy", 429, "", "", null, 7_000), payment);
    const pause = vi.fn(async () => {});
    await payUntilDecided(api, "order_A", instrument, "key-1", pause);
    expect(pause).toHaveBeenCalledExactlyOnceWith(7_000);
  });

  describe("under a key that another instrument had used", () => {
    const mismatch = new CallFailed("refused", 422, "IDEMPOTENCY_MISMATCH");

    function apiWithOrder(latest: Payment["status"], ...responses: (Payment | CallFailed)[]) {
      const { api, keys } = apiThat(...responses);
      const order = { status: "CREATED", payment: { id: "pay_old", status: latest } } as Order;
      return { api: { ...api, order: async () => order }, keys };
    }

    it("tries the new instrument under a new key where the old payment failed", async () => {
      const { api, keys } = apiWithOrder("FAILED", mismatch, payment);
      const attempts = attemptsOf("order_A", null);
      expect(await payAttempt(api, "order_A", instrument, attempts)).toBe(payment);
      expect(new Set(keys).size).toBe(2);
      expect(attempts.current()?.key).toBe(keys[1]);
    });

    it("does not while the old payment is undecided", async () => {
      const { api, keys } = apiWithOrder("PROCESSING", mismatch, payment);
      const paying = payAttempt(api, "order_A", instrument, attemptsOf("order_A", null));
      await expect(paying).rejects.toBe(mismatch);
      expect(keys).toHaveLength(1);
    });
  });

  it("does not repeat what was refused", async () => {
    const { api, keys } = apiThat(new CallFailed("refused", 400, "INVALID_VPA"));
    await expect(payUntilDecided(api, "order_A", instrument, "key-1")).rejects.toMatchObject({ code: "INVALID_VPA" });
    expect(keys).toHaveLength(1);
  });

  it("gives up after a bounded number of tries", async () => {
    const { api, keys } = apiThat();
    await expect(payUntilDecided(api, "order_A", instrument, "key-1", async () => {})).rejects.toMatchObject({
      kind: "unreachable",
    });
    expect(keys).toHaveLength(6);
  });
});

describe("the way back to the shop", () => {
  const alone = { embedded: false } as Place;
  const line = { connected: false } as ParentLine;
  const to = (return_url: string | null, signed: string | null = null) =>
    ({ order: { return_url, return_to: signed && { url: signed } } }) as Checkout;

  it("is the signed address, or before there is one the shop's own", () => {
    expect(shopOf(to("https://shop.example/", "https://shop.example/?signature=1"), alone, line)).toMatch(/signature/);
    expect(shopOf(to("https://shop.example/"), alone, line)).toBe("https://shop.example/");
    expect(shopOf({ order: null } as Checkout, alone, line)).toBeNull();
    expect(shopOf(to(null), alone, line)).toBeNull();
  });

  it("is none inside another page, which closes the checkout itself", () => {
    expect(shopOf(to("https://shop.example/"), { embedded: true } as Place, line)).toBeNull();
    expect(shopOf(to("https://shop.example/"), alone, { connected: true } as ParentLine)).toBeNull();
  });

  it.each(["javascript:alert(1)", "data:text/html,x", "/thanks"])("is never %s", (url) => {
    expect(shopOf(to(url, url), alone, line)).toBeNull();
  });
});

it.each([
  ["INVALID_VPA", null, "vpa"],
  ["INVALID_CARD", null, "number"],
  ["EXPIRED_CARD", null, "expiry"],
  ["INVALID_CARD", "card.cvv", "cvv"],
  ["BAD_REQUEST_ERROR", "card.expiry_month", "expiry"],
  ["BAD_REQUEST_ERROR", null, undefined],
  ["BAD_REQUEST_ERROR", "amount", undefined],
])("a refusal %s of %s is about the field %s", (code, field, expected) => {
  expect(fieldProblemOf(new CallFailed("refused", 400, code, "said", field))?.field).toBe(expected);
});

it("polls at 250 ms, 500 ms, 1 s, 2 s … 5 s, spread by a fifth", () => {
  expect([0, 1, 2, 3, 4, 5, 50].map((attempt) => pollDelayMs(attempt, 0.5))).toEqual([
    250, 500, 1_000, 2_000, 3_500, 5_000, 5_000,
  ]);
  expect(pollDelayMs(0, 0)).toBe(200);
  expect(pollDelayMs(0, 1)).toBe(300);
});

describe("the line to the parent", () => {
  const opener = { nonce: "n-1", origin: "http://shop.test" };

  it("is silent where the page is not framed", () => {
    const post = vi.spyOn(window, "postMessage");
    openLine(opener, window).send({ type: "close", data: "user" });
    expect(post).not.toHaveBeenCalled();
  });

  it("speaks to exactly one origin, and hears one init from that window alone", () => {
    const parent = { postMessage: vi.fn() } as unknown as Window;
    const own = Object.assign(new EventTarget(), { parent }) as unknown as Window;
    const line = openLine(opener, own);
    line.send({ type: "close", data: "user" });
    expect(parent.postMessage).toHaveBeenCalledExactlyOnceWith(
      { gw: 1, nonce: "n-1", type: "close", data: "user" },
      "http://shop.test",
    );

    const received = vi.fn();
    line.onInit(received);
    const init = { gw: 1, nonce: "n-1", type: "init", data: { prefill: { vpa: "a@upi" } } };
    const send = (data: unknown, origin: string, source: unknown) =>
      own.dispatchEvent(Object.assign(new Event("message"), { data, origin, source }));
    send(init, "http://evil.test", parent);
    send(init, "http://shop.test", {});
    send({ ...init, nonce: "n-2" }, "http://shop.test", parent);
    expect(received).not.toHaveBeenCalled();
    send(init, "http://shop.test", parent);
    send(init, "http://shop.test", parent);
    expect(received).toHaveBeenCalledExactlyOnceWith(init.data);
  });

  it("keeps an init that comes before anybody asks for it", () => {
    const parent = { postMessage: vi.fn() } as unknown as Window;
    const own = Object.assign(new EventTarget(), { parent }) as unknown as Window;
    const line = openLine(opener, own);
    const data = { gw: 1, nonce: "n-1", type: "init", data: { method: "card" } };
    own.dispatchEvent(Object.assign(new Event("message"), { data, origin: "http://shop.test", source: parent }));
    const received = vi.fn();
    line.onInit(received);
    expect(received).toHaveBeenCalledExactlyOnceWith({ method: "card" });
  });

  it.each([
    ["http://shop.test", [], true, true],
    ["http://shop.test", [], false, false],
    ["http://shop.test", ["http://shop.test"], false, true],
    ["http://evil.test", ["http://shop.test"], true, false],
    ["http://shop.test.evil.test", ["http://shop.test"], true, false],
  ])("%s with %j allowed (test mode %s): %s", (origin, allowed, testMode, expected) => {
    expect(isAllowed(origin, allowed, testMode)).toBe(expected);
  });
});

it.each([hi, ta])("has every text in each language", (texts) => {
  const paths = (value: object, prefix = ""): string[] =>
    Object.entries(value).flatMap(([name, inner]) =>
      inner && typeof inner === "object" ? paths(inner, `${prefix}${name}.`) : [`${prefix}${name}`],
    );
  expect(paths(texts).sort()).toEqual(paths(en).sort());
  const untranslated = Object.keys(en).filter(
    (key) => JSON.stringify(en[key as "pay"]) === JSON.stringify(texts[key as "pay"]),
  );
  expect(untranslated.filter((key) => typeof en[key as "pay"] === "string")).toEqual([]);
});
