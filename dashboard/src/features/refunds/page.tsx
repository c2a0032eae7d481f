/** Every refund, newest first. A refund's own address leads to its payment, where its history is. */
import { useEffect } from "preact/hooks";
import { formatMoney } from "web-shared/format";
import type { Refund } from "web-shared/wire";
import { queryText } from "../../api/client.ts";
import type { Change, Page } from "../../api/types.ts";
import { ArrivedBar } from "../../list/arrived-bar.tsx";
import { Cell, type Column, ListTable } from "../../list/list-table.tsx";
import { Pager } from "../../list/pager.tsx";
import { useResource } from "../../list/resource.ts";
import { keysetPage, useList } from "../../list/use-list.ts";
import { useLive } from "../../live/live-context.tsx";
import { currencyCode } from "../../query/filters.ts";
import type { Parameters } from "../../router/match.ts";
import { navigate, usePlace } from "../../router/place.ts";
import { usePermission } from "../../session/guarded.tsx";
import { useGateway } from "../../session/session-context.tsx";
import { CurrencyEntry } from "../../ui/filter.tsx";
import { DownloadIcon } from "../../ui/icons.tsx";
import { PageHead } from "../../ui/page-head.tsx";
import { Pill } from "../../ui/pill.tsx";
import { EmptyState, ErrorState, Skeleton } from "../../ui/states.tsx";
import { Near } from "../../ui/time.tsx";

const PATH = "/dashboard/refunds";
const ROWS = 25;
const COLUMNS: readonly Column[] = [
  { label: "Refund" },
  { label: "Payment" },
  { label: "Amount", end: true },
  { label: "Reason" },
  { label: "Status" },
  { label: "Created" },
];

export function RefundsPage() {
  const { api } = useGateway();
  const { may: mayExport } = usePermission("exports");
  const given = new URLSearchParams(usePlace().search);
  const paymentId = given.get("payment_id");
  const currency = currencyCode(given.get("currency"));
  const cursor = given.get("cursor");
  const list = useList<Refund>(`${paymentId} ${currency} ${cursor}`, async (signal) => {
    const query = { limit: ROWS, cursor, payment_id: paymentId, currency };
    return keysetPage(await api.get<Page<Refund>>("/refunds", query, signal));
  });
  const { state, dispatch, reload } = list;
  useLive("change", ({ type, refund }: Change) => {
    if (!refund || (paymentId !== null && refund.payment_id !== paymentId)) return;
    if (currency !== null && refund.currency !== currency) return;
    dispatch({ type: "row_changed", row: refund });
    if (type !== "refund.created" || cursor !== null) return;
    if (state.rows.length === 0) reload(true);
    else dispatch({ type: "row_arrived", row: refund });
  });
  useLive("gap", () => reload(true));
  const address = (next: { currency?: string | null; cursor?: string }) =>
    PATH + queryText({ payment_id: paymentId, currency, ...next });
  return (
    <div class="stack-wide">
      <PageHead title="Refunds">
        {mayExport && (
          <a class="button quiet" href={api.url("/refunds/export.csv", { payment_id: paymentId, currency })} download>
            <DownloadIcon /> CSV
          </a>
        )}
      </PageHead>
      <fieldset class="filters">
        <legend class="visually-hidden">Filters</legend>
        <CurrencyEntry currency={currency} onCurrency={(next) => navigate(address({ currency: next }))} />
        {currency !== null && (
          <button type="button" class="link-button" onClick={() => navigate(address({ currency: null }))}>
            Clear
          </button>
        )}
      </fieldset>
      <PaymentFilter paymentId={paymentId} />
      <ArrivedBar count={state.arrivedIds.length} onShow={() => reload(true)} />
      <ListTable
        caption="Refunds, newest first"
        noun="refunds"
        testId="refunds-table"
        columns={COLUMNS}
        state={state}
        filtered={paymentId !== null || currency !== null}
        clearPath={PATH}
        onRetry={() => reload()}
        empty={
          <EmptyState
            title="No refunds yet"
            action={
              <a class="button quiet" href="/dashboard/transactions?status=success">
                Successful payments
              </a>
            }
          >
            To make a refund, open its payment.
          </EmptyState>
        }
        row={(refund) => <RefundRow key={refund.id} refund={refund} />}
      />
      <Pager
        olderPath={state.nextCursor === null ? null : address({ cursor: state.nextCursor })}
        newerPath={cursor === null ? null : address({})}
        words={["Newest", "Older"]}
      />
    </div>
  );
}

function PaymentFilter({ paymentId }: { paymentId: string | null }) {
  if (paymentId === null) return null;
  return (
    <p class="small muted">
      Of payment <code>{paymentId}</code>. <a href={PATH}>All refunds</a>
    </p>
  );
}

function RefundRow({ refund }: { refund: Refund }) {
  return (
    <tr data-test-id="refund-row" data-refund-id={refund.id}>
      <Cell label="Refund">
        <a class="mono" href={`/dashboard/payments/${refund.payment_id}`} data-row-link={true}>
          {refund.id}
        </a>
      </Cell>
      <Cell label="Payment">
        <code class="muted">{refund.payment_id}</code>
      </Cell>
      <Cell label="Amount" end>
        <span class="figure">{formatMoney(refund.amount, refund.currency)}</span>
      </Cell>
      <Cell label="Reason">{refund.reason ?? <span class="muted">–</span>}</Cell>
      <Cell label="Status">
        <Pill status={refund.status} />
      </Cell>
      <Cell label="Created">
        <span class="muted">
          <Near at={refund.created_at} />
        </span>
      </Cell>
    </tr>
  );
}

export function RefundPage({ parameters }: { parameters: Parameters }) {
  const id = parameters.id ?? "";
  const { api } = useGateway();
  const refund = useResource(id, (signal) => api.get<Refund>(`/refunds/${id}`, {}, signal));
  const paymentId = refund.value?.payment_id;
  useEffect(() => {
    if (paymentId) navigate(`/dashboard/payments/${paymentId}`, { replace: true });
  }, [paymentId]);
  return (
    <div class="stack-wide">
      <PageHead title="Refund" documentTitle={id} back={[PATH, "Refunds"]} />
      <div class="card pad">
        {refund.state.status === "error" ? (
          <ErrorState title="The refund could not be found" failure={refund.state.failure} onRetry={refund.reload} />
        ) : (
          <Skeleton lines={3} />
        )}
      </div>
    </div>
  );
}
