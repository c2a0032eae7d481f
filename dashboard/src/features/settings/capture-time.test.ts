/** Minutes and what people type for them. */
import { describe, expect, it } from "vitest";
import { inputToMinutes, minutesText, minutesToInput } from "./capture-time.ts";

describe("the time to capture in", () => {
  it.each([
    [4_320, "3", "days", "3 days"],
    [1_440, "1", "days", "1 day"],
    [90, "90", "minutes", "90 minutes"],
    [120, "2", "hours", "2 hours"],
    [1, "1", "minutes", "1 minute"],
    [259_200, "180", "days", "180 days"],
  ] as const)("%d minutes are %s %s", (minutes, count, unit, text) => {
    expect(minutesToInput(minutes)).toEqual([count, unit]);
    expect(inputToMinutes(count, unit)).toBe(minutes);
    expect(minutesText(minutes)).toBe(text);
  });

  it("has no limit where nothing is typed", () => {
    expect(minutesToInput(null)[0]).toBe("");
    expect(inputToMinutes(" ", "hours")).toBeNull();
  });

  it.each([
    ["0", "days"],
    ["-1", "days"],
    ["1.5", "hours"],
    ["two", "hours"],
    ["181", "days"],
    ["259201", "minutes"],
  ] as const)("refuses %s %s with a sentence", (count, unit) => {
    expect(inputToMinutes(count, unit)).toMatch(/\.$/);
  });
});
