/** What a row of the events page shows. */
import { expect, it } from "vitest";
import type { DomainEvent } from "web-shared/wire";
import { arrivedOf, subjectOf } from "./subject.ts";

function event(id: string, data: object): DomainEvent {
  return { id, data } as DomainEvent;
}

const payment = { id: "pay_1", amount: 50_000, currency: "USD" };

it.each([
  ["an order's amount", { order: { id: "order_1", amount: 100, currency: "INR" } }, ["orders/order_1", 100, "INR"]],
  ["a payment with its amount", { payment }, ["payments/pay_1", 50_000, "USD"]],
  [
    "a refund's own amount and its payment",
    { payment, refund: { amount: 700, currency: "USD" } },
    ["payments/pay_1", 700, "USD"],
  ],
  ["nothing of an event that this page does not know", {}, [null, null, "INR"]],
])("shows %s", (_, data, [path, amount, currency]) => {
  const about = path === null ? null : { id: String(path).split("/")[1], path: `/dashboard/${path}` };
  expect(subjectOf(event("evt_1", data))).toEqual({ about, amount, currency });
});

it("counts the events above those that are shown", () => {
  const [one, two, three] = ["1", "2", "3"].map((id) => event(id, {})) as [DomainEvent, DomainEvent, DomainEvent];
  expect(arrivedOf([three, two, one], [one])).toEqual([three, two]);
  expect(arrivedOf([two, one], [two, one])).toEqual([]);
  expect(arrivedOf([three, two], [one])).toEqual([three, two]);
});
