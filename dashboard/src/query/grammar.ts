/**
 * The search box. One line of words becomes a filter or a place to go to:
 *
 *   pay_… order_… rfnd_… evt_… whe_… UUID   an object by its id; with other words, payments of that order
 *   name@bank · 1234 · asha rao             how a VPA, a card's last digits, a receipt, or a payer's name, e-mail
 *                                           address or number begins
 *   status:failed method:upi order:order_…  a field
 *   amount>500 amount<=900 amount:500..900  rupees, or what `currency` says
 *   currency:JPY                            a currency (ISO 4217)
 *   captured:no                             not captured yet
 *   from:2026-11-01 to:today from:7d        days
 *
 * Anything else is an error message; no word is dropped silently. `filtersToText` is the inverse.
 */
import { METHOD_NAMES } from "web-shared/methods";
import { minorToTyped, typedToMinor } from "./amount.ts";
import { currencyCode, type Filters, NO_FILTERS, STATUSES } from "./filters.ts";

export type Understood =
  | { kind: "filters"; filters: Filters }
  | { kind: "goto"; path: string }
  | { kind: "problem"; message: string };

type Step = Filters | string;

const ID = /^(pay|order|plink|rfnd|evt|whe)_[0-9A-Za-z_]+$/;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const LONGEST = 200;

export function understand(line: string, today: Date = new Date()): Understood {
  if (line.length > LONGEST) return { kind: "problem", message: "The search text is too long." };
  const words = line
    .trim()
    .split(/\s+/)
    .filter((word) => word !== "");
  const [only] = words;
  const path = words.length === 1 && only !== undefined ? placeOf(only) : null;
  if (path !== null) return { kind: "goto", path };
  let filters = NO_FILTERS;
  for (const word of currencyFirst(words)) {
    const step = readWord(filters, word, today);
    if (typeof step === "string") return { kind: "problem", message: step };
    filters = step;
  }
  return rangeProblem(filters) ?? { kind: "filters", filters };
}

/** The line that `understand` reads back as these filters. */
export function filtersToText(filters: Filters): string {
  const words: string[] = [];
  if (filters.text) words.push(filters.text);
  if (filters.orderId) words.push(`order:${filters.orderId}`);
  if (filters.status) words.push(`status:${filters.status.toLowerCase()}`);
  if (filters.method) words.push(`method:${filters.method}`);
  if (filters.currency) words.push(`currency:${filters.currency}`);
  words.push(...amountWords(filters));
  if (filters.captured !== null) words.push(`captured:${filters.captured ? "yes" : "no"}`);
  if (filters.from) words.push(`from:${filters.from}`);
  if (filters.to) words.push(`to:${filters.to}`);
  return words.join(" ");
}

/** The page of a lone identifier; null for a filter. */
function placeOf(word: string): string | null {
  if (UUID.test(word)) return `/dashboard/webhooks/deliveries/${word.toLowerCase()}`;
  const kind = ID.exec(word)?.[1];
  switch (kind) {
    case "pay":
      return `/dashboard/payments/${word}`;
    case "plink":
      return `/dashboard/links?q=${word}`;
    case "order":
      return `/dashboard/orders/${word}`;
    case "rfnd":
      return `/dashboard/refunds/${word}`;
    case "evt":
      return `/dashboard/events/${word}`;
    case "whe":
      return `/dashboard/webhooks?endpoint_id=${word}`;
    default:
      return null;
  }
}

/** An amount is read in the line's currency, wherever that is. */
function currencyFirst(words: readonly string[]): readonly string[] {
  const isCurrency = (word: string): number => Number(/^currency[:=]/i.test(word));
  return [...words].sort((one, other) => isCurrency(other) - isCurrency(one));
}

function readWord(filters: Filters, word: string, today: Date): Step {
  const field = /^([a-z]+)(<=|>=|[:=<>])(.*)$/i.exec(word);
  if (field) return readField(filters, (field[1] ?? "").toLowerCase(), field[2] ?? "", field[3] ?? "", today);
  if (word.startsWith("order_")) return { ...filters, orderId: word };
  return { ...filters, text: filters.text === null ? word : `${filters.text} ${word}` };
}

function readField(filters: Filters, name: string, operator: string, value: string, today: Date): Step {
  if (value === "") return `“${name}${operator}” needs a value.`;
  if (name === "amount") return readAmount(filters, operator, value);
  if (operator !== ":" && operator !== "=") return `“${name}” takes a colon: ${name}:${value}`;
  switch (name) {
    case "status":
      return readChoice(filters, "status", STATUSES, value.toUpperCase());
    case "method":
      return readChoice(filters, "method", METHOD_NAMES, value.toLowerCase());
    case "order":
      return { ...filters, orderId: value };
    case "currency": {
      const currency = currencyCode(value);
      return currency === null ? `“${value}” is not a currency. Try INR or USD.` : { ...filters, currency };
    }
    case "captured":
      return /^(yes|no)$/i.test(value)
        ? { ...filters, captured: value.toLowerCase() === "yes" }
        : `“captured” takes yes or no.`;
    case "from":
    case "to": {
      const day = readDay(value, today);
      return day === null
        ? `“${value}” is not a day. Try 2026-11-25, today, yesterday or 7d.`
        : { ...filters, [name]: day };
    }
    default:
      return `“${name}” is not a field. Press ? for the list of them.`;
  }
}

function readChoice(filters: Filters, field: "status" | "method", choices: readonly string[], value: string): Step {
  if (choices.includes(value)) return { ...filters, [field]: value };
  return `“${value.toLowerCase()}” is not a ${field}. Known: ${choices.join(", ").toLowerCase()}.`;
}

function readAmount(filters: Filters, operator: string, value: string): Step {
  const [low, high] = value.split("..");
  const currency = filters.currency ?? "INR";
  const first = typedToMinor(low ?? "", currency);
  const second = high === undefined ? first : typedToMinor(high, currency);
  if (first === null || second === null) return `“${value}” is not an amount. Try amount>500 or amount:500..900.`;
  switch (operator) {
    case ">":
      return { ...filters, amountMin: first + 1 };
    case ">=":
      return { ...filters, amountMin: first };
    case "<":
      return { ...filters, amountMax: Math.max(first - 1, 0) };
    case "<=":
      return { ...filters, amountMax: first };
    default:
      return { ...filters, amountMin: first, amountMax: second };
  }
}

function readDay(value: string, today: Date): string | null {
  const back = { today: 0, yesterday: 1 }[value.toLowerCase()] ?? daysBack(value);
  if (back !== null) return dayText(new Date(today.getFullYear(), today.getMonth(), today.getDate() - back));
  if (/^\d{4}-\d{2}-\d{2}T/.test(value)) return Number.isNaN(Date.parse(value)) ? null : value;
  // `Date` rolls 31 February over into March; the text must come back as it went in.
  const parsed = /^\d{4}-\d{2}-\d{2}$/.test(value) ? new Date(`${value}T00:00:00`) : null;
  return parsed && !Number.isNaN(parsed.getTime()) && dayText(parsed) === value ? value : null;
}

function daysBack(value: string): number | null {
  const days = /^(\d{1,4})d$/i.exec(value)?.[1];
  return days === undefined ? null : Number(days);
}

function dayText(day: Date): string {
  const two = (number: number) => String(number).padStart(2, "0");
  return `${day.getFullYear()}-${two(day.getMonth() + 1)}-${two(day.getDate())}`;
}

function rangeProblem({ amountMin, amountMax, from, to }: Filters): Understood | null {
  if (amountMin !== null && amountMax !== null && amountMin > amountMax) {
    return { kind: "problem", message: "The lower bound of the amount is above the upper bound." };
  }
  if (from !== null && to !== null && Date.parse(from) > Date.parse(to)) {
    return { kind: "problem", message: "“from” is later than “to”." };
  }
  return null;
}

function amountWords({ amountMin, amountMax, currency }: Filters): string[] {
  const typed = (minor: number): string => minorToTyped(minor, currency ?? "INR");
  if (amountMin !== null && amountMin === amountMax) return [`amount:${typed(amountMin)}`];
  if (amountMin !== null && amountMax !== null) return [`amount:${typed(amountMin)}..${typed(amountMax)}`];
  if (amountMin !== null) return [`amount>=${typed(amountMin)}`];
  return amountMax !== null ? [`amount<=${typed(amountMax)}`] : [];
}
