/**
 * A time series with every bucket of its span present, also the empty ones, in the reader's own hours and days. Pure.
 */
import type { TimePoint } from "web-shared/wire";
import type { Span } from "./span.ts";

export interface Bucket {
  at: Date;
  volumeMinor: number;
  total: number;
  failed: number;
}

/** Buckets from the span's start to now, oldest first; points are added to the bucket their instant falls in. */
export function bucketsOf(points: readonly TimePoint[], span: Span, now: Date): Bucket[] {
  const buckets: Bucket[] = [];
  const byKey = new Map<string, Bucket>();
  const count = span.bucket === "hour" ? span.hours : span.hours / 24;
  for (let back = count - 1; back >= 0; back -= 1) {
    const at = startOf(now, span.bucket, back);
    const bucket = { at, volumeMinor: 0, total: 0, failed: 0 };
    buckets.push(bucket);
    byKey.set(keyOf(at, span.bucket), bucket);
  }
  for (const point of points) {
    const bucket = byKey.get(keyOf(new Date(point.at), span.bucket));
    if (!bucket) continue;
    bucket.volumeMinor += point.volume_minor;
    bucket.total += point.payments_total;
    bucket.failed += point.payments_failed;
  }
  return buckets;
}

/** `25 Nov`, or `14:00`. */
export function bucketLabel(at: Date, bucket: Span["bucket"]): string {
  if (bucket === "hour") return new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" }).format(at);
  return new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" }).format(at);
}

/** The same in full: `Wed, 25 Nov`, or `Wed, 25 Nov, 14:00`. */
export function bucketName(at: Date, bucket: Span["bucket"]): string {
  const day: Intl.DateTimeFormatOptions = { weekday: "short", day: "numeric", month: "short" };
  const hour: Intl.DateTimeFormatOptions = bucket === "hour" ? { hour: "2-digit", minute: "2-digit" } : {};
  return new Intl.DateTimeFormat("en-GB", { ...day, ...hour }).format(at);
}

function startOf(now: Date, bucket: Span["bucket"], back: number): Date {
  if (bucket === "hour") return new Date(now.getFullYear(), now.getMonth(), now.getDate(), now.getHours() - back);
  return new Date(now.getFullYear(), now.getMonth(), now.getDate() - back);
}

/** The API's days have 24 hours each. Where the clocks were changed since, they begin at 23:00 or 01:00. */
const CLOCK_CHANGE_MS = 2 * 3_600_000;

function keyOf(at: Date, bucket: Span["bucket"]): string {
  const day = (date: Date) => `${date.getFullYear()}-${date.getMonth()}-${date.getDate()}`;
  return bucket === "day" ? day(new Date(at.getTime() + CLOCK_CHANGE_MS)) : `${day(at)} ${at.getHours()}`;
}
