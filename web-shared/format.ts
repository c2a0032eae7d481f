/**
 * Money and time for people, with the browser's own Intl.
 * Money comes as integer minor units and leaves as text; it is never computed with as a float. How many minor units
 * make a unit is ISO 4217's word, as the API has it: browsers disagree (some show no paisa of a Pakistani rupee).
 */
import { UNUSUAL_MINOR_DIGITS, USUAL_MINOR_DIGITS } from "./currencies.gen.ts";

const formatters = new Map<string, Intl.NumberFormat>();

/** Digits after the point of a currency (INR 2, JPY 0, KWD 3). An unknown code counts as 2. */
export function minorDigits(currency: string): number {
  return UNUSUAL_MINOR_DIGITS[currency] ?? USUAL_MINOR_DIGITS;
}

/** `50000, "INR"` → `₹500.00`; grouping is that of India for INR (`₹1,00,000.00`) unless a locale says otherwise. */
export function formatMoney(amountMinor: number, currency = "INR", locale = "en-IN"): string {
  const digits = minorDigits(currency);
  const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return cachedFormat(currency, locale, options).format(toDecimal(amountMinor, digits));
}

/** Units a compact amount is counted in: India's own for rupees, powers of a thousand elsewhere. */
const INDIAN_UNITS = [
  [3, "K"],
  [5, "\u00a0L"],
  [7, "\u00a0Cr"],
] as const;
const UNITS = [
  [3, "K"],
  [6, "M"],
  [9, "B"],
] as const;

/** `1_234_567_00, "INR"` → `₹12.3 L`, `150_000, "USD"` → `$1.5K`: one decimal at most, rounded half up. */
export function formatMoneyCompact(amountMinor: number, currency = "INR", locale = "en-IN"): string {
  const digits = minorDigits(currency);
  const amount = BigInt(Math.abs(amountMinor));
  let unit = 10n ** BigInt(digits);
  let suffix = "";
  for (const [power, next] of currency === "INR" ? INDIAN_UNITS : UNITS) {
    const larger = 10n ** BigInt(power + digits);
    // Compared after rounding: ₹99,999 is ₹1 L, not ₹100K.
    if (tenths(amount, unit) * unit < larger * 10n) break;
    [unit, suffix] = [larger, next];
  }
  const rounded = tenths(amount, unit);
  const sign = amountMinor < 0 ? "-" : "";
  return (
    compactFormat(currency, locale).format(`${sign}${rounded / 10n}.${rounded % 10n}` as Intl.StringNumericLiteral) +
    suffix
  );
}

function tenths(amount: bigint, unit: bigint): bigint {
  return (amount * 20n + unit) / (unit * 2n);
}

/** The amount in full where that is short enough for a tile, else compact. */
export function formatMoneyFitting(amountMinor: number, currency = "INR"): string {
  const full = formatMoney(amountMinor, currency);
  return full.length <= FITTING_CHARACTERS ? full : formatMoneyCompact(amountMinor, currency);
}

/** `₹99,99,999.00`: what the narrowest tile holds on one line. */
const FITTING_CHARACTERS = 13;

/** `50000` → `500.00`, without sign of currency or grouping: what a person types into an amount field. */
export function minorToInput(amountMinor: number, currency = "INR"): string {
  return String(toDecimal(amountMinor, minorDigits(currency)));
}

/** `"1,500.5"` → `150050`; null when the text is no amount of that currency. */
export function inputToMinor(text: string, currency = "INR"): number | null {
  const digits = minorDigits(currency);
  const match = /^(\d{1,12})(?:\.(\d*))?$/.exec(text.replace(/[,\s₹]/g, ""));
  if (!match || (match[2]?.length ?? 0) > digits) return null;
  return Number((match[1] ?? "0") + (match[2] ?? "").padEnd(digits, "0"));
}

/** RFC 3339 → `25 Nov 2025, 3:04 am` in the reader's zone. */
export function formatTime(at: string, locale = "en-IN", withSeconds = false): string {
  const time = new Date(at);
  if (Number.isNaN(time.getTime())) return at;
  return time.toLocaleString(locale, { dateStyle: "medium", timeStyle: withSeconds ? "medium" : "short" });
}

const STEPS: ReadonlyArray<readonly [Intl.RelativeTimeFormatUnit, number]> = [
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
];

/** RFC 3339 → `12 seconds ago`, `in 5 minutes`. */
export function formatAgo(at: string, now: number = Date.now(), locale = "en-IN"): string {
  const seconds = Math.round((new Date(at).getTime() - now) / 1000);
  const [unit, size] = STEPS.find(([, step]) => Math.abs(seconds) >= step) ?? (["second", 1] as const);
  return new Intl.RelativeTimeFormat(locale, { numeric: "auto" }).format(Math.trunc(seconds / size), unit);
}

/** `847` → `847 ms`, `5600` → `5.6 s`, `125000` → `2 min 5 s`. */
export function formatDuration(durationMs: number): string {
  if (durationMs < 1_000) return `${Math.round(durationMs)} ms`;
  if (durationMs < 60_000) return `${(durationMs / 1_000).toFixed(1)} s`;
  return `${Math.floor(durationMs / 60_000)} min ${Math.round((durationMs % 60_000) / 1_000)} s`;
}

/** `0.946` → `94.6%`, `0.95` → `95%`. */
export function formatPercent(share: number, locale = "en-IN"): string {
  return new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 1 }).format(share);
}

/** `1284` → `1,284`. */
export function formatCount(count: number, locale = "en-IN"): string {
  return new Intl.NumberFormat(locale).format(count);
}

function compactFormat(currency: string, locale: string): Intl.NumberFormat {
  return cachedFormat(currency, locale, { minimumFractionDigits: 0, maximumFractionDigits: 1 });
}

/** What is not a currency to the browser is a plain number. */
function cachedFormat(currency: string, locale: string, options: Intl.NumberFormatOptions): Intl.NumberFormat {
  const key = `${locale} ${currency} ${options.maximumFractionDigits} ${options.minimumFractionDigits}`;
  let format = formatters.get(key);
  if (!format) {
    try {
      format = new Intl.NumberFormat(locale, { style: "currency", currency, ...options });
    } catch {
      format = new Intl.NumberFormat(locale, options);
    }
    formatters.set(key, format);
  }
  return format;
}

/** Intl takes a decimal string without going through a float. */
function toDecimal(amountMinor: number, digits: number): Intl.StringNumericLiteral {
  if (digits === 0) return `${amountMinor}`;
  const sign = amountMinor < 0 ? "-" : "";
  const text = String(Math.abs(amountMinor)).padStart(digits + 1, "0");
  return `${sign}${text.slice(0, -digits)}.${text.slice(-digits)}` as Intl.StringNumericLiteral;
}
