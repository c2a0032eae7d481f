/** Every payment, newest first. The filters are the address; new ones are counted, not inserted. */
import { useState } from "preact/hooks";
import type { Payment } from "web-shared/wire";
import type { Change, Page } from "../../api/types.ts";
import { ArrivedBar } from "../../list/arrived-bar.tsx";
import { ListTable } from "../../list/list-table.tsx";
import { Pager } from "../../list/pager.tsx";
import { stepBack, type Trail, trailAfter } from "../../list/trail.ts";
import { keysetPage, type List, useList } from "../../list/use-list.ts";
import { useLive } from "../../live/live-context.tsx";
import {
  type Filters,
  filtersFromSearch,
  filtersToQuery,
  filtersToSearch,
  isFiltered,
  matchesFilters,
} from "../../query/filters.ts";
import { navigate, usePlace } from "../../router/place.ts";
import { usePermission } from "../../session/guarded.tsx";
import { useGateway } from "../../session/session-context.tsx";
import { DownloadIcon } from "../../ui/icons.tsx";
import { PageHead } from "../../ui/page-head.tsx";
import { EmptyState } from "../../ui/states.tsx";
import { FilterBar } from "./filter-bar.tsx";
import { PAYMENT_COLUMNS, PaymentRow } from "./payment-row.tsx";
import { RefundDialog } from "./refund-dialog.tsx";

const PATH = "/dashboard/transactions";
const ROWS = 25;

export function TransactionsPage() {
  const { api } = useGateway();
  const { may: mayExport } = usePermission("exports");
  const { search } = usePlace();
  const filters = filtersFromSearch(search);
  const cursor = new URLSearchParams(search).get("cursor");
  const name = filtersToSearch(filters);
  const list = useList<Payment>(filtersToSearch(filters, cursor), async (signal) => {
    const query = { limit: ROWS, cursor, ...filtersToQuery(filters) };
    return keysetPage(await api.get<Page<Payment>>("/payments", query, signal));
  });
  const [refunding, setRefunding] = useState<Payment | null>(null);
  useArrivals(list, filters, cursor === null);
  const pager = usePager(name, cursor, list);

  return (
    <div class="stack-wide">
      <PageHead title="Payments">
        {mayExport && (
          <a class="button quiet" href={api.url("/payments/export.csv", filtersToQuery(filters))} download>
            <DownloadIcon /> CSV
          </a>
        )}
      </PageHead>
      <FilterBar filters={filters} onFilters={(next) => navigate(PATH + filtersToSearch(next))} />
      <ArrivedBar
        count={list.state.arrivedIds.length}
        testId="new-payments-bar"
        onShow={() => (cursor === null ? list.reload(true) : navigate(PATH + name))}
      />
      <ListTable
        caption="Payments, newest first"
        noun="payments"
        testId="transactions-table"
        columns={PAYMENT_COLUMNS}
        state={list.state}
        filtered={isFiltered(filters)}
        clearPath={PATH}
        onRetry={() => list.reload()}
        empty={<NothingYet />}
        row={(payment) => <PaymentRow key={payment.id} payment={payment} onRefund={setRefunding} />}
      />
      <Pager {...pager} />
      {refunding && (
        <RefundDialog payment={refunding} onDone={() => list.reload(true)} onClose={() => setRefunding(null)} />
      )}
    </div>
  );
}

/** Payments that change are replaced in place; those that are new under these filters are counted. */
function useArrivals(list: List<Payment>, filters: Filters, firstPage: boolean): void {
  const { state, dispatch, reload } = list;
  useLive("change", ({ payment }: Change) => {
    if (!payment) return;
    const newest = state.rows[0];
    const isNew = !newest || payment.created_at > newest.created_at;
    dispatch({ type: "row_changed", row: payment });
    if (!firstPage || !isNew || !matchesFilters(filters, payment)) return;
    // An empty list has nothing under the reader's eyes that could move.
    if (newest) dispatch({ type: "row_arrived", row: payment });
    else reload(true);
  });
  useLive("gap", () => reload(true));
}

function usePager(name: string, cursor: string | null, list: List<Payment>) {
  const [trail, setTrail] = useState<Trail>({ of: name, before: [] });
  const { hasMore, nextCursor } = list.state;
  const address = (to: string | null) =>
    PATH + (to === null ? name : `${name === "" ? "?" : `${name}&`}cursor=${encodeURIComponent(to)}`);
  const back = stepBack(trail, name);
  return {
    olderPath: hasMore && nextCursor !== null ? address(nextCursor) : null,
    newerPath: cursor === null ? null : address(back.cursor),
    onOlder: () => setTrail(trailAfter(trail, name, cursor)),
    onNewer: () => setTrail(back.trail),
  };
}

function NothingYet() {
  return (
    <EmptyState
      title="No payments yet"
      action={
        <a class="button quiet" href="/dashboard/docs">
          Take the first one
        </a>
      }
    >
      The docs have a snippet that creates an order. Its payment appears here right away.
    </EmptyState>
  );
}
