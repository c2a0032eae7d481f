/** Whether an order can be cancelled, as the API decides it. */
import type { Order, Payment } from "web-shared/wire";

/** `payments`: all of the order's, or its latest; an older one is decided. */
export function isCancellable(order: Pick<Order, "status">, payments: readonly Pick<Payment, "status">[]): boolean {
  return order.status === "CREATED" && payments.every(({ status }) => status === "SUCCESS" || status === "FAILED");
}
