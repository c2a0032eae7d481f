/**
 * The filter of the transactions list: one value, two spellings. Here it is the address's query string and the API's
 * parameters; grammar.ts is the search box. Days are the reader's own; the API's parameters are instants.
 */

import { METHOD_NAMES } from "web-shared/methods";
import type { Method, Payment, PaymentStatus } from "web-shared/wire";
import type { Query } from "../api/client.ts";

export const STATUSES: readonly PaymentStatus[] = ["CREATED", "PROCESSING", "SUCCESS", "FAILED"];

export interface Filters {
  status: PaymentStatus | null;
  method: Method | null;
  orderId: string | null;
  /** Free text: an id, or how a VPA, a card's last digits, a receipt or something of the payer begins. */
  text: string | null;
  /** `2026-11-25` (the reader's day, both ends included) or an RFC 3339 instant. */
  from: string | null;
  to: string | null;
  /** ISO 4217. */
  currency: string | null;
  /** Minor units of `currencyOf` these filters. */
  amountMin: number | null;
  amountMax: number | null;
  captured: boolean | null;
}

export const NO_FILTERS: Filters = {
  status: null,
  method: null,
  orderId: null,
  text: null,
  from: null,
  to: null,
  currency: null,
  amountMin: null,
  amountMax: null,
  captured: null,
};

/** The currency that is filtered for. An amount without one is in rupees: ¥500 and ₹5.00 are 500 minor units both. */
export function currencyOf({ currency, amountMin, amountMax }: Filters): string | null {
  return currency ?? (amountMin === null && amountMax === null ? null : "INR");
}

/** `jpy` → `JPY`; null for anything that is not a code. */
export function currencyCode(text: string | null): string | null {
  return text !== null && /^[a-z]{3}$/i.test(text) ? text.toUpperCase() : null;
}

export function isFiltered(filters: Filters): boolean {
  return Object.values(filters).some((value) => value !== null);
}

/** Read the address. Malformed parts are ignored, never passed on. */
export function filtersFromSearch(search: string): Filters {
  const given = new URLSearchParams(search);
  const status = given.get("status")?.toUpperCase();
  return {
    status: STATUSES.find((known) => known === status) ?? null,
    method: METHOD_NAMES.find((known) => known === given.get("method")) ?? null,
    orderId: given.get("order_id") || null,
    text: given.get("q") || null,
    from: dayOrInstant(given.get("from")),
    to: dayOrInstant(given.get("to")),
    currency: currencyCode(given.get("currency")),
    amountMin: minorUnits(given.get("amount_min")),
    amountMax: minorUnits(given.get("amount_max")),
    captured: yesOrNo(given.get("captured")),
  };
}

/** The query string of these filters, `""` or `?…`, always in the same order. */
export function filtersToSearch(filters: Filters, cursor: string | null = null): string {
  const parameters = new URLSearchParams();
  const put = (name: string, value: string | number | null) => {
    if (value !== null) parameters.set(name, String(value));
  };
  put("status", filters.status?.toLowerCase() ?? null);
  put("method", filters.method);
  put("order_id", filters.orderId);
  put("q", filters.text);
  put("from", filters.from);
  put("to", filters.to);
  put("currency", filters.currency);
  put("amount_min", filters.amountMin);
  put("amount_max", filters.amountMax);
  put("captured", filters.captured === null ? null : String(filters.captured));
  put("cursor", cursor);
  const text = parameters.toString();
  return text === "" ? "" : `?${text}`;
}

/** The API's parameters: days become instants (`to` the first instant after the day). */
export function filtersToQuery(filters: Filters): Query {
  return {
    status: filters.status,
    method: filters.method,
    order_id: filters.orderId,
    q: filters.text,
    from: startOf(filters.from),
    to: endOf(filters.to),
    currency: currencyOf(filters),
    amount_min: filters.amountMin,
    amount_max: filters.amountMax,
    captured: filters.captured,
  };
}

/** Would the server list this payment under these filters? Used for payments that arrive live. */
export function matchesFilters(filters: Filters, payment: Payment): boolean {
  const from = startOf(filters.from);
  const to = endOf(filters.to);
  const currency = currencyOf(filters);
  const createdAt = Date.parse(payment.created_at);
  return (
    (filters.status === null || filters.status === payment.status) &&
    (filters.method === null || filters.method === payment.method) &&
    (filters.orderId === null || filters.orderId === payment.order_id) &&
    (filters.text === null || matchesText(filters.text, payment)) &&
    (from === null || createdAt >= Date.parse(from)) &&
    (to === null || createdAt < Date.parse(to)) &&
    (currency === null || currency === payment.currency) &&
    (filters.amountMin === null || payment.amount >= filters.amountMin) &&
    (filters.amountMax === null || payment.amount <= filters.amountMax) &&
    (filters.captured === null || payment.captured === filters.captured)
  );
}

function matchesText(text: string, payment: Payment): boolean {
  const { vpa, card_last4, receipt, name, email, contact } = payment;
  const begins = (value: string | null | undefined) => value?.toLowerCase().startsWith(text.toLowerCase());
  return (
    [payment.id, payment.order_id].includes(text) ||
    [vpa, card_last4, name, email].some(begins) ||
    (receipt?.startsWith(text) ?? false) ||
    matchesNumber(text, contact)
  );
}

/** A telephone number is found by six digits or more, with its country's or without. */
function matchesNumber(text: string, contact: string | null): boolean {
  const digits = text.replace(/[ .()-]/g, "");
  if (!/^\+?\d{6,15}$/.test(digits) || contact === null) return false;
  return [contact, contact.replace("+91", ""), contact.replace("+", "")].some((known) => known.startsWith(digits));
}

const DAY = /^\d{4}-\d{2}-\d{2}$/;

/** Null for what is neither a day nor an instant. */
export function dayOrInstant(text: string | null): string | null {
  return text !== null && /^\d{4}-\d{2}-\d{2}(?:T.+)?$/.test(text) && !Number.isNaN(Date.parse(text)) ? text : null;
}

function minorUnits(text: string | null): number | null {
  return text !== null && /^\d{1,15}$/.test(text) ? Number(text) : null;
}

function yesOrNo(text: string | null): boolean | null {
  return text === "true" ? true : text === "false" ? false : null;
}

/** Days are the reader's own: where this one begins, as an instant. */
export function startOf(from: string | null): string | null {
  return from === null ? null : DAY.test(from) ? localMidnight(from, 0) : from;
}

/** The first instant after the day. */
export function endOf(to: string | null): string | null {
  return to === null ? null : DAY.test(to) ? localMidnight(to, 1) : to;
}

function localMidnight(day: string, daysLater: number): string {
  const [year = 0, month = 1, date = 1] = day.split("-").map(Number);
  return new Date(year, month - 1, date + daysLater).toISOString();
}
