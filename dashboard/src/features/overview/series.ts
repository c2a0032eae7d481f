/** A time series as the charts draw it: the API's buckets, which are the reader's own hours and days. Pure. */
import type { TimePoint } from "web-shared/wire";
import type { Period } from "./period.ts";

export interface Bucket {
  at: Date;
  volumeMinor: number;
  total: number;
  failed: number;
}

/** The API's points up to now, as the charts draw them. */
export function bucketsOf(points: readonly TimePoint[], now: Date): Bucket[] {
  return points
    .map((point) => ({
      at: new Date(point.at),
      volumeMinor: point.volume_minor,
      total: point.payments_total,
      failed: point.payments_failed,
    }))
    .filter(({ at }) => at <= now);
}

/** `25 Nov`, or `14:00`. */
export function bucketLabel(at: Date, bucket: Period["bucket"]): string {
  if (bucket === "hour") return new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" }).format(at);
  return new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" }).format(at);
}

/** The same in full: `Wed, 25 Nov`, or `Wed, 25 Nov, 14:00`. */
export function bucketName(at: Date, bucket: Period["bucket"]): string {
  const day: Intl.DateTimeFormatOptions = { weekday: "short", day: "numeric", month: "short" };
  const hour: Intl.DateTimeFormatOptions = bucket === "hour" ? { hour: "2-digit", minute: "2-digit" } : {};
  return new Intl.DateTimeFormat("en-GB", { ...day, ...hour }).format(at);
}
