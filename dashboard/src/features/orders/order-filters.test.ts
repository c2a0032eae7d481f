/** The address, the API's parameters, and whether an order that arrives belongs on the list. */
import { expect, it } from "vitest";
import type { Order } from "web-shared/wire";
import { matchesOrder, NO_ORDER_FILTERS, orderFilters, orderQuery, orderSearch } from "./order-filters.ts";

const ORDER = {
  id: "order_1",
  status: "CREATED",
  receipt: "invoice-42",
  currency: "INR",
  created_at: "2026-11-25T10:00:00.000000Z",
} as Order;

it.each([
  "",
  "?status=expired&show=unpaid&q=invoice-4&currency=USD&from=2026-11-01&to=2026-11-30",
  "?show=abandoned",
  "?q=order_1",
])("reads %j back as it was written", (search) => {
  expect(orderSearch(orderFilters(search))).toBe(search);
});

it("takes nothing malformed from the address", () => {
  expect(orderFilters("?status=lost&show=all&from=yesterday&to=2026-13-01&q=&currency=rupees")).toEqual(
    NO_ORDER_FILTERS,
  );
});

it("asks the API for its groups", () => {
  expect(orderQuery(orderFilters("?currency=usd"))).toMatchObject({ currency: "USD" });
  expect(orderQuery(orderFilters("?show=unpaid"))).toMatchObject({ paid: false, abandoned: null });
  expect(orderQuery(orderFilters("?show=abandoned&status=created"))).toMatchObject({
    paid: null,
    abandoned: true,
    status: "CREATED",
  });
});

it.each([
  ["", true],
  ["?status=created", true],
  ["?status=paid", false],
  ["?show=unpaid", true],
  ["?show=abandoned", false],
  ["?q=invoice", true],
  ["?q=voice", false],
  ["?q=order_1", true],
  ["?q=order_", false],
  ["?currency=INR", true],
  ["?currency=USD", false],
  ["?from=2026-11-26T00:00:00Z", false],
  ["?to=2026-11-25T10:00:00.000Z", false],
])("an order that arrives is judged under %j", (search, belongs) => {
  expect(matchesOrder(orderFilters(search), ORDER)).toBe(belongs);
});
