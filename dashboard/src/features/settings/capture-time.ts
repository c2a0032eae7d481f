/** The time to capture a payment in: minutes for the API, the largest whole unit for people. Pure. */

export const UNITS = [
  ["days", 1_440],
  ["hours", 60],
  ["minutes", 1],
] as const;
export type Unit = (typeof UNITS)[number][0];

/** 180 days, as the API has it. */
const MOST_MINUTES = 180 * 1_440;

/** `4320` → `["3", "days"]`; null, no limit → `["", "days"]`. */
export function minutesToInput(minutes: number | null): readonly [count: string, unit: Unit] {
  if (minutes === null) return ["", "days"];
  const [unit, size] = UNITS.find(([, each]) => minutes % each === 0) ?? ["minutes", 1];
  return [String(minutes / size), unit];
}

/** `"3", "days"` → 4320; empty → null, no limit. A string is the error message. */
export function inputToMinutes(count: string, unit: Unit): number | null | string {
  const text = count.trim();
  if (text === "") return null;
  const size = UNITS.find(([name]) => name === unit)?.[1] ?? 1;
  const minutes = /^\d{1,6}$/.test(text) ? Number(text) * size : 0;
  if (minutes < 1) return "Enter a whole number, or leave it empty for no limit.";
  return minutes > MOST_MINUTES ? "At most 180 days." : minutes;
}

/** `4320` → `3 days`, `1` → `1 minute`. */
export function minutesText(minutes: number): string {
  const [count, unit] = minutesToInput(minutes);
  return `${count} ${count === "1" ? unit.slice(0, -1) : unit}`;
}
