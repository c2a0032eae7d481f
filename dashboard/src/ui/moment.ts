/** Instants as the lists show them: short, in the reader's zone, the full one (and UTC) at hand. */

const SHORT: Intl.DateTimeFormatOptions = {
  day: "numeric",
  month: "short",
  hour: "2-digit",
  minute: "2-digit",
  hourCycle: "h23",
};

/** `25 Nov, 14:05:09`; with the year unless it is the current one. */
export function momentText(at: string, now: Date = new Date(), withSeconds = true): string {
  const time = new Date(at);
  if (Number.isNaN(time.getTime())) return at;
  const options: Intl.DateTimeFormatOptions = { ...SHORT };
  if (withSeconds) options.second = "2-digit";
  if (time.getFullYear() !== now.getFullYear()) options.year = "numeric";
  return new Intl.DateTimeFormat("en-GB", options).format(time);
}

/** `2 min ago`, `in 5 s`: for instants that are near enough. */
export function nearText(at: string, now: number = Date.now()): string {
  const seconds = Math.round((Date.parse(at) - now) / 1000);
  const size = Math.abs(seconds);
  const [unit, amount] =
    size < 60
      ? ["s", size]
      : size < 3_600
        ? ["min", size / 60]
        : size < 86_400
          ? ["h", size / 3_600]
          : ["d", size / 86_400];
  const text = `${Math.floor(amount)} ${unit}`;
  if (size < 2) return "just now";
  return seconds < 0 ? `${text} ago` : `in ${text}`;
}

/** Distance from the first instant of a timeline: `+9 ms`, `+5.6 s`, `+2 min 5 s`. */
export function offsetText(at: string, start: string): string {
  const distance = Date.parse(at) - Date.parse(start);
  if (!Number.isFinite(distance)) return "";
  if (distance <= 0) return "0 ms";
  if (distance < 1_000) return `+${distance} ms`;
  if (distance < 60_000) return `+${(distance / 1_000).toFixed(distance < 10_000 ? 2 : 1)} s`;
  if (distance < 3_600_000) return `+${Math.floor(distance / 60_000)} min ${Math.round((distance % 60_000) / 1_000)} s`;
  return `+${Math.floor(distance / 3_600_000)} h ${Math.round((distance % 3_600_000) / 60_000)} min`;
}
