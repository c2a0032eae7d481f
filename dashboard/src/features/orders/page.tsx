/** Every order, newest first: its content, the number of attempts to pay it, and its end. */
import { useState } from "preact/hooks";
import type { Order } from "web-shared/wire";
import type { Page } from "../../api/types.ts";
import { ArrivedBar } from "../../list/arrived-bar.tsx";
import { ListTable } from "../../list/list-table.tsx";
import { Pager } from "../../list/pager.tsx";
import { stepBack, type Trail, trailAfter } from "../../list/trail.ts";
import { keysetPage, type List, useList } from "../../list/use-list.ts";
import { navigate, usePlace } from "../../router/place.ts";
import { usePermission } from "../../session/guarded.tsx";
import { useGateway } from "../../session/session-context.tsx";
import { Choice, CurrencyEntry, Entry } from "../../ui/filter.tsx";
import { DownloadIcon } from "../../ui/icons.tsx";
import { PageHead } from "../../ui/page-head.tsx";
import { EmptyState } from "../../ui/states.tsx";
import {
  GROUPS,
  type Group,
  NO_ORDER_FILTERS,
  ORDER_STATUSES,
  type OrderFilters,
  orderFilters,
  orderQuery,
  orderSearch,
} from "./order-filters.ts";
import { ORDER_COLUMNS, OrderRow } from "./order-row.tsx";
import { useOrderChanges } from "./use-order-changes.ts";

const PATH = "/dashboard/orders";
const ROWS = 25;

export function OrdersPage() {
  const { api } = useGateway();
  const { may: mayExport } = usePermission("exports");
  const { search } = usePlace();
  const filters = orderFilters(search);
  const cursor = new URLSearchParams(search).get("cursor");
  const list = useList<Order>(orderSearch(filters, cursor), async (signal) => {
    const query = { limit: ROWS, cursor, ...orderQuery(filters) };
    return keysetPage(await api.get<Page<Order>>("/orders", query, signal));
  });
  useOrderChanges(list, filters, cursor === null);
  const pager = usePager(filters, cursor, list);
  const first = PATH + orderSearch(filters);
  return (
    <div class="stack-wide">
      <PageHead title="Orders">
        {mayExport && (
          <a class="button quiet" href={api.url("/orders/export.csv", orderQuery(filters))} download>
            <DownloadIcon /> CSV
          </a>
        )}
      </PageHead>
      <OrderFilterBar filters={filters} onFilters={(next) => navigate(PATH + orderSearch(next))} />
      <ArrivedBar
        count={list.state.arrivedIds.length}
        testId="new-orders-bar"
        onShow={() => (cursor === null ? list.reload(true) : navigate(first))}
      />
      <ListTable
        caption="Orders, newest first"
        noun="orders"
        testId="orders-table"
        columns={ORDER_COLUMNS}
        state={list.state}
        filtered={orderSearch(filters) !== ""}
        clearPath={PATH}
        onRetry={() => list.reload()}
        empty={<NothingYet />}
        row={(order) => <OrderRow key={order.id} order={order} />}
      />
      <Pager {...pager} />
    </div>
  );
}

function usePager(filters: OrderFilters, cursor: string | null, list: List<Order>) {
  const name = orderSearch(filters);
  const [trail, setTrail] = useState<Trail>({ of: name, before: [] });
  const { hasMore, nextCursor } = list.state;
  const back = stepBack(trail, name);
  return {
    olderPath: hasMore && nextCursor !== null ? PATH + orderSearch(filters, nextCursor) : null,
    newerPath: cursor === null ? null : PATH + orderSearch(filters, back.cursor),
    onOlder: () => setTrail(trailAfter(trail, name, cursor)),
    onNewer: () => setTrail(back.trail),
  };
}

interface FilterBarProps {
  filters: OrderFilters;
  onFilters: (filters: OrderFilters) => void;
}

function OrderFilterBar({ filters, onFilters }: FilterBarProps) {
  const set = (change: Partial<OrderFilters>) => onFilters({ ...filters, ...change });
  const groups = Object.keys(GROUPS) as Group[];
  return (
    <div class="stack">
      <fieldset class="filters">
        <legend class="visually-hidden">Filters</legend>
        <Choice
          label="Show"
          value={filters.group ?? ""}
          options={groups.map((group) => [group, group] as const)}
          onValue={(value) => set({ group: groups.find((group) => group === value) ?? null })}
        />
        <Choice
          label="Status"
          value={filters.status ?? ""}
          options={ORDER_STATUSES.map((status) => [status, status.toLowerCase()] as const)}
          onValue={(value) => set({ status: ORDER_STATUSES.find((status) => status === value) ?? null })}
        />
        <Entry
          label="Receipt or id"
          type="text"
          inputMode="text"
          value={filters.text ?? ""}
          onValue={(text) => set({ text: text.trim() || null })}
        />
        <CurrencyEntry currency={filters.currency} onCurrency={(currency) => set({ currency })} />
        <Entry
          label="From"
          type="date"
          value={filters.from?.slice(0, 10) ?? ""}
          onValue={(from) => set({ from: from || null })}
        />
        <Entry
          label="To"
          type="date"
          value={filters.to?.slice(0, 10) ?? ""}
          onValue={(to) => set({ to: to || null })}
        />
        {orderSearch(filters) !== "" && (
          <button type="button" class="link-button" onClick={() => onFilters(NO_ORDER_FILTERS)}>
            Clear
          </button>
        )}
      </fieldset>
      {filters.group && (
        <p class="small muted" data-test-id="group-meaning">
          {GROUPS[filters.group]}
        </p>
      )}
    </div>
  );
}

function NothingYet() {
  return (
    <EmptyState
      title="No orders yet"
      action={
        <a class="button quiet" href="/dashboard/docs">
          Make the first one
        </a>
      }
    >
      Your server makes an order for each sale; its payer pays it in the checkout.
    </EmptyState>
  );
}
