/**
 * Card and UPI fields as text: grouping, brand, checks. Pure. The rules are the API's (docs/openapi.json); what is refused here
 * would be refused there.
 *
 *   brand   4 visa · 51–55, 2221–2720 mastercard · 34, 37 amex · 60, 65, 81–89 rupay · else unknown
 */
export type Brand = "visa" | "mastercard" | "amex" | "rupay" | "unknown";

export const BRAND_NAMES: Readonly<Record<Brand, string>> = {
  visa: "Visa",
  mastercard: "Mastercard",
  amex: "American Express",
  rupay: "RuPay",
  unknown: "",
};
const DIGITS_MIN = 13;
const DIGITS_MAX = 19;
const AMEX_DIGITS = 15;

export function digitsOf(text: string): string {
  return text.replace(/\D/g, "");
}

export function brandOf(digits: string): Brand {
  if (digits.startsWith("4")) return "visa";
  const two = Number(digits.slice(0, 2));
  if (digits.length < 2) return "unknown";
  if (two === 34 || two === 37) return "amex";
  if (two >= 51 && two <= 55) return "mastercard";
  if (two === 60 || two === 65 || (two >= 81 && two <= 89)) return "rupay";
  const four = Number(digits.slice(0, 4));
  return digits.length >= 4 && four >= 2221 && four <= 2720 ? "mastercard" : "unknown";
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
  // Backspace took only a space of ours: the payer meant the digit before it.
  if (erased && left > 0 && digits === digitsOf(before) && text.length < before.length) {
    digits = digits.slice(0, left - 1) + digits.slice(left);
    left -= 1;
  }
  digits = digits.slice(0, brandOf(digits) === "amex" ? AMEX_DIGITS : DIGITS_MAX);
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
  if (digits.length < (brandOf(digits) === "amex" ? AMEX_DIGITS : DIGITS_MIN)) return "incomplete";
  return passesLuhn(digits) ? null : "invalid";
}

/** Long enough to be judged while the payer still types. */
export function isComplete(text: string): boolean {
  const digits = digitsOf(text);
  return digits.length === (brandOf(digits) === "amex" ? AMEX_DIGITS : 16) || digits.length === DIGITS_MAX;
}

export interface Expiry {
  month: number;
  year: number;
}

/** A card is good for fewer years than this; a later year is a mistake. */
const EXPIRY_YEARS_MAX = 50;

/** `1/27`, `01/2027`, `0127`, `012027`, and `2027-11`, `202711` as browsers fill it in; null where it names no month. */
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

/** Tells `202711` (year first) from `112027` and `1127`. */
function isPlausible({ year }: Expiry): boolean {
  return year >= 1_900 && year < 2_100;
}

/** `11/27`; with the whole year where two digits would mean another one. */
export function expiryShown({ month, year }: Expiry, now: Date): string {
  const ahead = year - now.getFullYear();
  const short = ahead >= 0 && ahead <= EXPIRY_YEARS_MAX && year < 2_100;
  return `${String(month).padStart(2, "0")}/${String(short ? year % 100 : year).padStart(short ? 2 : 4, "0")}`;
}

/** The slash comes by itself where four digits were typed on a keypad that has none. A year in front stays in front. */
export function expiryEdited(text: string, erased: boolean): string {
  const kept = text.replace(/[^\d/ .-]/g, "").slice(0, 9);
  if (erased || !/^\d{3,}$/.test(kept)) return kept;
  const cut = Number(kept.slice(0, 2)) > 12 ? 1 : 2;
  if (cut === 1 && kept.length === 6 && parseExpiry(kept)) return kept;
  return `${kept.slice(0, cut)}/${kept.slice(cut, cut + 4)}`;
}

export function expiryFault(text: string, now: Date): FieldFault | null {
  if (text.trim() === "") return "required";
  const expiry = parseExpiry(text);
  if (!expiry) return "invalid";
  const months = (expiry.year - now.getFullYear()) * 12 + expiry.month - 1 - now.getMonth();
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
