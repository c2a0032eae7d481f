/** Filters of the orders list, in the forms of the address and of the API. Pure. */
import type { Order } from "web-shared/wire";
import type { Query } from "../../api/client.ts";
import { queryText } from "../../api/client.ts";
import { currencyCode, dayOrInstant, endOf, startOf } from "../../query/filters.ts";

type OrderStatus = Order["status"];
export const ORDER_STATUSES: readonly OrderStatus[] = ["CREATED", "PAID", "CANCELLED", "EXPIRED"];

/** Groups of orders without a status of their own. */
export const GROUPS = {
  unpaid: "Orders without a successful payment, whether open or ended.",
  abandoned: "Unpaid orders whose attempts have all failed; none is in progress.",
} as const;
export type Group = keyof typeof GROUPS;

export interface OrderFilters {
  status: OrderStatus | null;
  group: Group | null;
  /** A whole id, or how a receipt begins. */
  text: string | null;
  /** ISO 4217. */
  currency: string | null;
  /** A day of the reader's, both ends included, or an instant. */
  from: string | null;
  to: string | null;
}

export const NO_ORDER_FILTERS: OrderFilters = {
  status: null,
  group: null,
  text: null,
  currency: null,
  from: null,
  to: null,
};

/** Read the address. Malformed parts are ignored. */
export function orderFilters(search: string): OrderFilters {
  const given = new URLSearchParams(search);
  const status = given.get("status")?.toUpperCase();
  return {
    status: ORDER_STATUSES.find((known) => known === status) ?? null,
    group: (Object.keys(GROUPS) as Group[]).find((known) => known === given.get("show")) ?? null,
    text: given.get("q") || null,
    currency: currencyCode(given.get("currency")),
    from: dayOrInstant(given.get("from")),
    to: dayOrInstant(given.get("to")),
  };
}

/** The query string of these filters, `""` or `?…`. */
export function orderSearch(filters: OrderFilters, cursor: string | null = null): string {
  const { status, group, text, currency, from, to } = filters;
  return queryText({ status: status?.toLowerCase(), show: group, q: text, currency, from, to, cursor });
}

export function orderQuery({ status, group, text, currency, from, to }: OrderFilters): Query {
  return {
    status,
    q: text,
    currency,
    from: startOf(from),
    to: endOf(to),
    paid: group === "unpaid" ? false : null,
    abandoned: group === "abandoned" ? true : null,
  };
}

/** Would the server list this new order, of which there is no payment yet? */
export function matchesOrder({ status, group, text, currency, from, to }: OrderFilters, order: Order): boolean {
  const createdAt = Date.parse(order.created_at);
  const [start, end] = [startOf(from), endOf(to)];
  return (
    (status === null || status === order.status) &&
    group !== "abandoned" &&
    (currency === null || currency === order.currency) &&
    (text === null || text === order.id || (order.receipt?.startsWith(text) ?? false)) &&
    (start === null || createdAt >= Date.parse(start)) &&
    (end === null || createdAt < Date.parse(end))
  );
}
