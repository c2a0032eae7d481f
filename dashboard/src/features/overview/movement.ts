/** How a number moved against the period before: the words and whether that is good. */
import { formatPercent } from "web-shared/format";

export interface Movement {
  text: string;
  tone: "up" | "down" | "same";
}

/** `+12.4% to the period before`; null if there is nothing to compare with. */
export function relativeMovement(now: number, before: number | null | undefined): Movement | null {
  if (before === null || before === undefined || before === 0) return null;
  const share = (now - before) / before;
  return { text: `${sign(share)}${formatPercent(Math.abs(share))}`, tone: toneOf(share) };
}

/** Two rates apart in points: `−0.9 points`. */
export function pointsMovement(now: number | null, before: number | null | undefined): Movement | null {
  if (now === null || before === null || before === undefined) return null;
  const points = Math.round((now - before) * 1_000) / 10;
  return { text: `${sign(points)}${Math.abs(points).toFixed(1)} points`, tone: toneOf(points) };
}

function sign(value: number): string {
  return value > 0 ? "+" : value < 0 ? "−" : "±";
}

function toneOf(value: number): Movement["tone"] {
  return value > 0 ? "up" : value < 0 ? "down" : "same";
}
