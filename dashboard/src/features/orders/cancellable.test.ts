/**
 * The page offers to cancel exactly if the rules accept it: tests/unit/test_payment_actions.py writes their results.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { Order, Payment } from "web-shared/wire";
import { isCancellable } from "./cancellable.ts";

interface Row {
  state: string;
  order: Pick<Order, "status">;
  payments: Pick<Payment, "status">[];
  cancel: boolean;
}

const TABLE = join(import.meta.dirname, "../../../../tests/vectors/payment_actions.json");
const { orders } = JSON.parse(readFileSync(TABLE, "utf-8")) as { orders: Row[] };

it.each(orders.map((row) => [row.state, row] as const))("%s", (_, { order, payments, cancel }) => {
  expect(isCancellable(order, payments)).toBe(cancel);
});
