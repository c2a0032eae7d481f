/** Routes, navigation, small texts: the pure parts that fit no larger test. */
import { describe, expect, it } from "vitest";
import type { ApiKey } from "web-shared/wire";
import { keyStatus } from "./features/keys/page.tsx";
import { browserName } from "./features/sessions/page.tsx";
import { linesOf } from "./features/settings/page.tsx";
import { reconnectDelayMs, reduceFeed } from "./live/feed.ts";
import { matchPattern } from "./router/match.ts";
import { isWithin } from "./shell/navigation.tsx";
import { momentText, nearText, offsetText } from "./ui/moment.ts";

describe("routes", () => {
  it.each([
    ["/dashboard/payments/:id", "/dashboard/payments/pay_1/", { id: "pay_1" }],
    ["/dashboard/payments/:id", "/dashboard/payments/a%2Fb", { id: "a/b" }],
    ["/dashboard/payments/:id", "/dashboard/payments/%E0%A4%A", { id: "%E0%A4%A" }],
    ["/dashboard", "/dashboard/keys", null],
    ["/dashboard", "/dashboard", {}],
  ])("%s and %s", (pattern, path, parameters) => {
    expect(matchPattern(pattern, path)).toEqual(parameters);
  });

  it("mark the page one is on", () => {
    expect(isWithin("/dashboard", "/dashboard/keys")).toBe(false);
    expect(isWithin("/dashboard/transactions", "/dashboard/payments/pay_1")).toBe(true);
    expect(isWithin("/dashboard/webhooks", "/dashboard/webhooks/endpoints")).toBe(true);
  });
});

describe("the live feed", () => {
  it("says what it is", () => {
    expect(reduceFeed("connecting", { type: "opened" })).toBe("live");
    expect(reduceFeed("live", { type: "lost" })).toBe("interrupted");
    expect(reduceFeed("paused", { type: "lost" })).toBe("paused");
    expect(reduceFeed("paused", { type: "shown" })).toBe("connecting");
  });

  it("tries again less and less often, within bounds", () => {
    expect(reconnectDelayMs(0, 0.5)).toBe(500);
    expect(reconnectDelayMs(3, 0.5)).toBe(4_000);
    expect(reconnectDelayMs(1_000, 1)).toBe(18_750);
  });
});

describe("time", () => {
  const now = Date.parse("2026-11-25T10:00:00Z");
  it.each([
    ["2026-11-25T09:59:48Z", "12 s ago"],
    ["2026-11-25T10:02:00Z", "in 2 min"],
    ["2026-11-25T09:59:59Z", "just now"],
    ["2026-11-23T10:00:00Z", "2 d ago"],
  ])("%s is %s", (at, text) => {
    expect(nearText(at, now)).toBe(text);
  });

  it("is an offset on a timeline", () => {
    const start = "2026-11-25T10:00:00.000Z";
    const offsets = ["10:00:00.000", "10:00:00.512", "10:00:05.600", "10:02:05.000"];
    const texts = offsets.map((at) => offsetText(`2026-11-25T${at}Z`, start));
    expect(texts).toEqual(["0 ms", "+512 ms", "+5.60 s", "+2 min 5 s"]);
  });

  it("is left as it is where it is none", () => {
    expect(momentText("soon")).toBe("soon");
  });
});

it("tells a key's state", () => {
  const key: ApiKey = {
    id: "1",
    key: "k",
    name: "Default",
    created_at: "2026-11-01T10:00:00Z",
    scopes: [],
    addresses: [],
    last_used_at: null,
    expires_at: null,
    revoked_at: null,
  };
  const now = Date.parse("2026-11-25T10:00:00Z");
  expect(keyStatus(key, now)).toBe("active");
  expect(keyStatus({ ...key, expires_at: "2026-11-26T10:00:00Z" }, now)).toBe("expiring");
  expect(keyStatus({ ...key, expires_at: "2026-11-24T10:00:00Z" }, now)).toBe("expired");
  expect(keyStatus({ ...key, revoked_at: "2026-11-24T10:00:00Z" }, now)).toBe("revoked");
});

it("tells browsers apart", () => {
  expect(browserName("Mozilla/5.0 (X11; Linux x86_64) Chrome/126.0 Safari/537.36")).toBe("Chrome on Linux");
  expect(browserName("Mozilla/5.0 (Windows NT 10.0) Chrome/126.0 Safari/537.36 Edg/126.0")).toBe("Edge on Windows");
  expect(browserName(null)).toBe("Unknown");
});

it("reads origins one a line", () => {
  expect(linesOf(" https://a.example/\n\nhttps://b.example, http://localhost:8080 ")).toEqual([
    "https://a.example",
    "https://b.example",
    "http://localhost:8080",
  ]);
});
