import { expect, test } from "vitest";
import { ACTIONS, actionText, changesOf } from "./entry-text.ts";

test("an action has words, and one that is new shows its name", () => {
  expect(actionText("refund.requested")).toBe("Refund requested");
  expect(actionText("something.new")).toBe("something.new");
  expect(new Set(ACTIONS.map(([, text]) => text)).size).toBe(ACTIONS.length);
});

test("a change shows both values, an addition and a removal the one there is", () => {
  expect(changesOf({ before: { name: "Tea", email: null }, after: { name: "Tea House", capture: "manual" } })).toEqual([
    "name: Tea → Tea House",
    "email: – before",
    "capture: manual",
  ]);
  expect(changesOf({ before: null, after: { scopes: ["read"] } })).toEqual(['scopes: ["read"]']);
  expect(changesOf({ before: null, after: null })).toEqual([]);
});
