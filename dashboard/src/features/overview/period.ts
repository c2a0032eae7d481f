/** The period of time an overview covers, as written in the address: `?span=24h`. */

export type PeriodName = "24h" | "7d" | "30d" | "90d";

export interface Period {
  name: PeriodName;
  label: string;
  bucket: "hour" | "day";
  hours: number;
}

export const PERIODS: readonly Period[] = [
  { name: "24h", label: "24 hours", bucket: "hour", hours: 24 },
  { name: "7d", label: "7 days", bucket: "day", hours: 7 * 24 },
  { name: "30d", label: "30 days", bucket: "day", hours: 30 * 24 },
  { name: "90d", label: "90 days", bucket: "day", hours: 90 * 24 },
];
const USUAL: Period = { name: "30d", label: "30 days", bucket: "day", hours: 30 * 24 };

export function periodOf(search: string): Period {
  const requested = new URLSearchParams(search).get("span");
  return PERIODS.find((period) => period.name === requested) ?? USUAL;
}

/**
 * The instants of a period that ends now, begun where the reader's hour or day begins. The end lies a minute ahead, so
 * that events until then are included.
 */
export function boundsOf(period: Period, now: Date): { from: string; to: string } {
  return { from: firstBucket(period, now).toISOString(), to: new Date(now.getTime() + 60_000).toISOString() };
}

/** The reader's IANA time zone: the API counts days by its midnights. */
export function zone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

const HOUR_MS = 3_600_000;

function firstBucket(period: Period, now: Date): Date {
  const [year, month, day] = [now.getFullYear(), now.getMonth(), now.getDate()];
  if (period.bucket === "hour") {
    // By the clock only down to the hour: where clocks change, 24 hours are not 24 hands of the clock.
    return new Date(new Date(year, month, day, now.getHours()).getTime() - (period.hours - 1) * HOUR_MS);
  }
  return new Date(year, month, day - period.hours / 24 + 1);
}
