import { expect, test } from "vitest";
import { mayDo, NEW_KEY, newKeyBody, withScope } from "./new-key.ts";

const NOW = Date.parse("2026-11-25T10:00:00Z");

test("a form that is left empty asks for a key without limits", () => {
  expect(newKeyBody(NEW_KEY, NOW)).toEqual({});
});

test("what is filled in is sent in the API's words", () => {
  const form = {
    name: " Shop ",
    scopes: ["read"] as const,
    addresses: "203.0.113.7,  2001:db8::/48 ",
    endsInDays: "7",
  };
  expect(newKeyBody(form, NOW)).toEqual({
    name: "Shop",
    scopes: ["read"],
    addresses: ["203.0.113.7", "2001:db8::/48"],
    expires_at: "2026-12-02T10:00:00.000Z",
  });
});

test("scopes keep their order, whatever the order of the clicks", () => {
  expect(withScope(withScope([], "refunds", true), "read", true)).toEqual(["read", "refunds"]);
  expect(withScope(["read", "refunds"], "read", false)).toEqual(["refunds"]);
});

test("a key without scopes may do everything", () => {
  expect(mayDo({ scopes: [] })).toBe("everything");
  expect(mayDo({ scopes: ["read", "payments"] })).toBe("read, payments");
});
