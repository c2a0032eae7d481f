/** The arithmetic behind the overview: movements, spans, buckets, bars. */
import { describe, expect, it } from "vitest";
import { axisOf, barsOf, cursorAfter, slotAt } from "./chart-scale.ts";
import { pointsMovement, relativeMovement } from "./movement.ts";
import { boundsOf, PERIODS, periodOf } from "./period.ts";
import { bucketsOf } from "./series.ts";

const NOW = new Date(2026, 10, 25, 14, 30);
const DAYS = periodOf("?span=7d");
const HOURS = periodOf("?span=24h");

describe("movement", () => {
  it("is told in percent, or in points for a rate", () => {
    expect(relativeMovement(1_124, 1_000)).toEqual({ text: "+12.4%", tone: "up" });
    expect(relativeMovement(5, 10)).toEqual({ text: "−50%", tone: "down" });
    expect(pointsMovement(0.946, 0.955)).toEqual({ text: "−0.9 points", tone: "down" });
    expect(pointsMovement(0.5, 0.5)).toEqual({ text: "±0.0 points", tone: "same" });
  });

  it("is nothing where there is nothing to compare with", () => {
    expect(relativeMovement(5, 0)).toBeNull();
    expect(relativeMovement(5, undefined)).toBeNull();
    expect(pointsMovement(null, 0.5)).toBeNull();
  });
});

describe("a period", () => {
  it("is the usual one where the address names none", () => {
    expect(periodOf("?span=forever").name).toBe("30d");
    expect(PERIODS.map((period) => periodOf(`?span=${period.name}`))).toEqual(PERIODS);
  });

  it("begins where a day or an hour of the reader begins", () => {
    expect(new Date(boundsOf(DAYS, NOW).from)).toEqual(new Date(2026, 10, 19));
    expect(new Date(boundsOf(HOURS, NOW).from)).toEqual(new Date(2026, 10, 24, 15));
  });
});

describe("buckets", () => {
  const point = (at: Date, volume_minor: number) => ({
    at: at.toISOString(),
    volume_minor,
    payments_total: 2,
    payments_success: 1,
    payments_failed: 1,
    refunded_minor: 0,
  });

  it("are the API's, so that they add up to what it says of the period", () => {
    const { from } = boundsOf(DAYS, NOW);
    const buckets = bucketsOf([point(new Date(from), 5), point(NOW, 7)], NOW);
    expect(buckets.map(({ volumeMinor }) => volumeMinor)).toEqual([5, 7]);
    expect(buckets[1]).toMatchObject({ at: NOW, total: 2, failed: 1 });
  });

  it("end with the one that now is in", () => {
    expect(bucketsOf([point(NOW, 7), point(new Date(NOW.getTime() + 1), 0)], NOW)).toHaveLength(1);
  });
});

describe("a chart", () => {
  it.each([
    [0, 1],
    [1, 1],
    [9, 10],
    [77_743, 80_000],
    [7_774_300, 8_000_000],
  ])("with %i at most has an axis up to %i", (largest, top) => {
    const axis = axisOf(largest);
    expect(axis.top).toBe(top);
    expect(axis.lines.length).toBeLessThanOrEqual(5);
  });

  it("draws the least value so that it can be seen, and nothing for nothing", () => {
    const [least, none, most] = barsOf([1, 0, 1_000_000], 1_000_000, 300, 180);
    expect(least?.height).toBe(2);
    expect(none?.height).toBe(0);
    expect(most).toMatchObject({ y: 0, height: 180 });
  });

  it("moves its cursor by keys and pointer, and never off its ends", () => {
    expect(cursorAfter("ArrowRight", null, 7)).toBe(0);
    expect(cursorAfter("ArrowRight", 6, 7)).toBe(6);
    expect(cursorAfter("ArrowLeft", 0, 7)).toBe(0);
    expect(cursorAfter("End", 2, 7)).toBe(6);
    expect(cursorAfter("Tab", 2, 7)).toBeNull();
    expect([slotAt(-5, 100, 7), slotAt(50, 100, 7), slotAt(100, 100, 7)]).toEqual([0, 3, 6]);
  });
});
