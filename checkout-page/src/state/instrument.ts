/**
 * Card and UPI fields as text: grouping, brand, checks. Pure. The rules are the API's (docs/openapi.json); what is refused here
 * would be refused there.
 *
 * A brand is a row of the table below: prefixes, and the numbers of digits it issues (domain/card.py has the same).
 */
import type { Brand } from "web-shared/methods";

/** The first match counts: India's ranges lie inside those of JCB and Maestro. */
const BRANDS: ReadonlyArray<readonly [Brand, RegExp, min: number, usual: number, max: number]> = [
  ["visa", /^4/, 13, 16, 19],
  ["mastercard", /^(5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720)/, 16, 16, 16],
  ["amex", /^3[47]/, 15, 15, 15],
  ["rupay", /^(60|65|8[1-9]|508|353|356)/, 16, 16, 19],
  ["unionpay", /^62/, 16, 16, 19],
  ["jcb", /^35/, 16, 16, 19],
  ["diners", /^(30[0-59]|36|3[89])/, 14, 14, 19],
  ["maestro", /^(50|5[6-8]|63|67)/, 13, 16, 19],
];
const UNKNOWN = ["unknown", /^/, 13, 16, 19] as const;
const VISA_DIGITS = [13, 16, 19];

export function digitsOf(text: string): string {
  return text.replace(/\D/g, "");
}

function rowOf(digits: string) {
  return BRANDS.find(([, prefix]) => prefix.test(digits)) ?? UNKNOWN;
}

export function brandOf(digits: string): Brand {
  return rowOf(digits)[0];
}

/** `378282246310005` → `3782 822463 10005`; all others in fours. */
export function grouped(digits: string): string {
  const groups =
    brandOf(digits) === "amex" ? [digits.slice(0, 4), digits.slice(4, 10), digits.slice(10)] : digits.match(/.{1,4}/g);
  return (groups ?? []).filter(Boolean).join(" ");
}

export interface Edited {
  text: string;
  caret: number;
}

/** What the number field shows after an edit, with the caret behind the same digit as before. */
export function numberEdited(text: string, caret: number, before: string, erased: boolean): Edited {
  let digits = digitsOf(text);
  let left = digitsOf(text.slice(0, caret)).length;
  // Backspace removed only a space that we added: the payer meant the digit before it.
  if (erased && left > 0 && digits === digitsOf(before) && text.length < before.length) {
    digits = digits.slice(0, left - 1) + digits.slice(left);
    left -= 1;
  }
  digits = digits.slice(0, rowOf(digits)[4]);
  const shown = grouped(digits);
  return { text: shown, caret: caretBehind(shown, Math.min(left, digits.length)) };
}

function caretBehind(text: string, digits: number): number {
  let caret = 0;
  for (let seen = 0; seen < digits && caret < text.length; caret++) if (text[caret] !== " ") seen++;
  return caret;
}

/** ISO/IEC 7812-1, annex B. */
export function passesLuhn(digits: string): boolean {
  let sum = 0;
  for (let place = 0; place < digits.length; place++) {
    const digit = Number(digits[digits.length - 1 - place]) * (1 + (place % 2));
    sum += digit > 9 ? digit - 9 : digit;
  }
  return sum % 10 === 0;
}

export type FieldFault = "required" | "incomplete" | "invalid" | "past";

export function numberFault(text: string): FieldFault | null {
  const digits = digitsOf(text);
  if (digits === "") return "required";
  const [brand, , min, , max] = rowOf(digits);
  if (digits.length < min) return "incomplete";
  const issued = brand === "visa" ? VISA_DIGITS.includes(digits.length) : digits.length <= max;
  return issued && passesLuhn(digits) && !/^0*$/.test(digits) ? null : "invalid";
}

/** Long enough to be judged while the payer still types. */
export function isComplete(text: string): boolean {
  const digits = digitsOf(text);
  const [, , , usual, max] = rowOf(digits);
  return digits.length === usual || digits.length === max;
}

export interface Expiry {
  month: number;
  year: number;
}

/** A card is good for fewer years than this; a later year is a mistake. */
const EXPIRY_YEARS_MAX = 50;

/** `1/27`, `01/2027`, `0127`, `012027`, and `2027-11`, `202711` as browsers fill it in; null if it is not a month. */
export function parseExpiry(text: string): Expiry | null {
  const compact = text.replace(/\s/g, "");
  return (
    expiryOf(/^(?<month>\d{1,2})[/.-](?<year>\d{2}|\d{4})$/, compact) ??
    expiryOf(/^(?<year>\d{4})[/.-]?(?<month>\d{1,2})$/, compact, isPlausible) ??
    expiryOf(/^(?<month>\d{1,2}?)(?<year>\d{2}|\d{4})$/, compact)
  );
}

function expiryOf(form: RegExp, text: string, accepts: (expiry: Expiry) => boolean = () => true): Expiry | null {
  const { month = "", year = "" } = form.exec(text)?.groups ?? {};
  const expiry = { month: Number(month), year: Number(year) + (year.length === 2 ? 2_000 : 0) };
  return expiry.month >= 1 && expiry.month <= 12 && accepts(expiry) ? expiry : null;
}

/** Distinguishes `202711` (year first) from `112027` and `1127`. */
function isPlausible({ year }: Expiry): boolean {
  return year >= 1_900 && year < 2_100;
}

/** `11/27`; with the whole year if two digits would mean another one. */
export function expiryShown({ month, year }: Expiry, now: Date): string {
  const ahead = year - now.getFullYear();
  const short = ahead >= 0 && ahead <= EXPIRY_YEARS_MAX && year < 2_100;
  return `${String(month).padStart(2, "0")}/${String(short ? year % 100 : year).padStart(short ? 2 : 4, "0")}`;
}

/**
 * The slash is added if four digits were typed on a keypad without one. A year in front stays in front:
 * `20…` is never month 2 of a year that is still ahead.
 */
export function expiryEdited(text: string, erased: boolean): string {
  const kept = text.replace(/[^\d/ .-]/g, "").slice(0, 9);
  if (erased || !/^\d{3,}$/.test(kept)) return kept;
  const cut = Number(kept.slice(0, 2)) > 12 ? 1 : 2;
  if (kept.startsWith("20") || (cut === 1 && kept.length === 6 && parseExpiry(kept))) return kept;
  return `${kept.slice(0, cut)}/${kept.slice(cut, cut + 4)}`;
}

/** UTC-12, where each month ends last: a card is good while it is still its month anywhere. */
const LAST_TIME_ZONE_MS = 12 * 3_600_000;

export function expiryFault(text: string, now: Date): FieldFault | null {
  if (text.trim() === "") return "required";
  const expiry = parseExpiry(text);
  if (!expiry) return "invalid";
  const there = new Date(now.getTime() - LAST_TIME_ZONE_MS);
  const months = (expiry.year - there.getUTCFullYear()) * 12 + expiry.month - 1 - there.getUTCMonth();
  if (months < 0) return "past";
  return months > 12 * EXPIRY_YEARS_MAX ? "invalid" : null;
}

export function cvvLength(brand: Brand): 3 | 4 {
  return brand === "amex" ? 4 : 3;
}

export function cvvFault(text: string, brand: Brand): FieldFault | null {
  if (text === "") return "required";
  if (!/^\d+$/.test(text) || text.length > cvvLength(brand)) return "invalid";
  return text.length < cvvLength(brand) ? "incomplete" : null;
}

const VPA = /^[a-zA-Z0-9._-]+@[a-zA-Z0-9]+$/;

export function vpaFault(text: string): FieldFault | null {
  const vpa = text.trim();
  if (vpa === "") return "required";
  return vpa.length <= 255 && VPA.test(vpa) ? null : "invalid";
}
