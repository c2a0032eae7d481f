/** What an event is about: its payment, or its order if there is none, and the amount that it moved. Pure. */
import type { DomainEvent } from "web-shared/wire";

export interface Subject {
  about: { id: string; path: string } | null;
  /** Minor units: the refund's, else the payment's, else the order's. */
  amount: number | null;
  currency: string;
}

export function subjectOf({ data }: DomainEvent): Subject {
  const { order, payment, refund } = data;
  const moved = refund ?? payment ?? order;
  const paymentId = payment?.id ?? refund?.payment_id;
  const orderPath = order && { id: order.id, path: `/dashboard/orders/${order.id}` };
  return {
    about: paymentId ? { id: paymentId, path: `/dashboard/payments/${paymentId}` } : (orderPath ?? null),
    amount: moved?.amount ?? null,
    currency: moved?.currency ?? "INR",
  };
}

/** Of a newly fetched first page, the events above those already shown. */
export function arrivedOf(fetched: readonly DomainEvent[], shown: readonly DomainEvent[]): readonly DomainEvent[] {
  const known = new Set(shown.map((event) => event.id));
  const end = fetched.findIndex((event) => known.has(event.id));
  return end === -1 ? fetched : fetched.slice(0, end);
}
