/**
 * Orders that change are replaced in place; those that are new under the filters are counted.
 * The live feed does not carry how often an order was tried, so an order on screen is read again, once for each burst.
 */
import { useEffect, useRef } from "preact/hooks";
import type { Order } from "web-shared/wire";
import type { Change } from "../../api/types.ts";
import type { List } from "../../list/use-list.ts";
import { useLive } from "../../live/live-context.tsx";
import { useGateway } from "../../session/session-context.tsx";
import { matchesOrder, type OrderFilters } from "./order-filters.ts";

const BURST_MS = 150;

export function useOrderChanges(list: List<Order>, filters: OrderFilters, firstPage: boolean): void {
  const { state, dispatch, reload } = list;
  const readAgain = useReading((row) => dispatch({ type: "row_changed", row }));
  useLive("change", ({ type, order, payment }: Change) => {
    const id = order?.id ?? payment?.order_id;
    if (id !== undefined && state.rows.some((row) => row.id === id)) return readAgain(id);
    if (type !== "order.created" || !order || !firstPage || !matchesOrder(filters, order)) return;
    // An empty list has nothing under the reader's eyes that could move.
    if (state.rows.length === 0) reload(true);
    else dispatch({ type: "row_arrived", row: order });
  });
  useLive("gap", () => reload(true));
}

/** The function that reads an order once its changes pause, and hands it on. */
function useReading(onOrder: (order: Order) => void): (id: string) => void {
  const { api } = useGateway();
  const waiting = useRef(new Map<string, number>());
  useEffect(
    () => () => {
      for (const timer of waiting.current.values()) clearTimeout(timer);
    },
    [],
  );
  const read = async (id: string) => {
    waiting.current.delete(id);
    try {
      onOrder(await api.get<Order>(`/orders/${id}`));
    } catch {
      // The next change of the order reads it again.
    }
  };
  return (id) => {
    clearTimeout(waiting.current.get(id));
    waiting.current.set(
      id,
      window.setTimeout(() => void read(id), BURST_MS),
    );
  };
}
