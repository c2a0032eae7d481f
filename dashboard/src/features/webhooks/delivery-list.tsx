/** The delivery log: one row for each event and endpoint, with its filters and what can be retried. */
import { useCallback, useEffect, useState } from "preact/hooks";
import type { Delivery } from "web-shared/wire";
import { queryText } from "../../api/client.ts";
import type { OffsetPage } from "../../api/types.ts";
import { Cell, type Column, ListTable } from "../../list/list-table.tsx";
import { Pager } from "../../list/pager.tsx";
import { type List, offsetPage, useList } from "../../list/use-list.ts";
import { useFollowing } from "../../live/following.ts";
import { useLive } from "../../live/live-context.tsx";
import { useRepeating } from "../../live/repeating.ts";
import { navigate, usePlace } from "../../router/place.ts";
import { Guarded } from "../../session/guarded.tsx";
import { useGateway } from "../../session/session-context.tsx";
import { announce } from "../../ui/announcer.tsx";
import { Choice } from "../../ui/filter.tsx";
import { Pill } from "../../ui/pill.tsx";
import { EmptyState, FormProblem } from "../../ui/states.tsx";
import { Near } from "../../ui/time.tsx";
import { toneOfResponse } from "../../ui/tone.ts";
import { useAction } from "../../ui/use-action.ts";
import {
  DELIVERY_STATUSES,
  type DeliveryFilters,
  deliveryFiltersOf,
  deliveryQuery,
  isDeliveryFiltered,
} from "./delivery-filters.ts";
import { WEBHOOK_EVENTS } from "./event-types.ts";
import { RetryAll } from "./retry-all.tsx";

const ROWS = 20;
/** Interval of polls while something is on its way; retries take seconds to hours. */
const LOOK_AGAIN_MS = 2_000;
const COLUMNS: readonly Column[] = [
  { label: "Event" },
  { label: "Payment" },
  { label: "Status" },
  { label: "Attempts", end: true },
  { label: "Last attempt" },
  { label: "Response", end: true },
  { label: "Actions", quiet: true },
];

export interface DeliveryListProps {
  path: string;
  /** A list that shows one status only has no choice of it. */
  fixed?: Pick<DeliveryFilters, "status">;
  emptyTitle: string;
  emptyText: string;
}

export function DeliveryList({ path, fixed, emptyTitle, emptyText }: DeliveryListProps) {
  const { api } = useGateway();
  const { search } = usePlace();
  const filters: DeliveryFilters = { ...deliveryFiltersOf(search), ...fixed };
  const chosen = { ...filters, ...(fixed ? { status: null } : {}) };
  const offset = Number(new URLSearchParams(search).get("offset")) || 0;
  const query = { ...deliveryQuery(filters), limit: ROWS, offset };
  const list = useList<Delivery>(queryText(query), async (signal) =>
    offsetPage(await api.get<OffsetPage<Delivery>>("/webhooks", query, signal)),
  );
  useFreshness(list);
  const address = (at: number) => path + queryText({ ...deliveryQuery(chosen), offset: at || null });
  const { total } = list.state;
  return (
    <section class="stack">
      <div class="filters-line">
        <Filters path={path} filters={chosen} withStatus={!fixed} />
        <RetryAll filters={filters} onStarted={() => list.reload(true)} />
      </div>
      <ListTable
        caption="Webhook deliveries, newest first"
        noun="deliveries"
        testId="webhook-logs-table"
        columns={COLUMNS}
        state={list.state}
        filtered={isDeliveryFiltered(chosen)}
        clearPath={path}
        onRetry={() => list.reload()}
        empty={
          <EmptyState
            title={emptyTitle}
            action={
              <a class="button quiet" href="/dashboard/webhooks/endpoints">
                Endpoints
              </a>
            }
          >
            {emptyText}
          </EmptyState>
        }
        row={(delivery) => <DeliveryRow key={delivery.id} delivery={delivery} onRetried={() => list.reload(true)} />}
      />
      <Pager
        olderPath={list.state.hasMore ? address(offset + ROWS) : null}
        newerPath={offset > 0 ? address(Math.max(offset - ROWS, 0)) : null}
        note={total !== null && total > 0 ? `${offset + 1}–${offset + list.state.rows.length} of ${total}` : undefined}
      />
    </section>
  );
}

function useFreshness(list: List<Delivery>): void {
  const { state, reload } = list;
  const waiting = state.rows.some((row) => row.status === "pending" || row.status === "held");
  const look = useCallback(() => reload(true), [reload]);
  useRepeating(look, LOOK_AGAIN_MS, { paused: !waiting });
  const follow = useFollowing(look);
  useLive("change", follow);
  useLive("gap", look);
}

function Filters({ path, filters, withStatus }: { path: string; filters: DeliveryFilters; withStatus: boolean }) {
  const set = (change: Partial<DeliveryFilters>) =>
    navigate(path + queryText(deliveryQuery({ ...filters, ...change })));
  return (
    <fieldset class="filters">
      <legend class="visually-hidden">Filters</legend>
      {withStatus && (
        <Choice
          label="Status"
          value={filters.status ?? ""}
          options={DELIVERY_STATUSES.map((status) => [status, status] as const)}
          onValue={(value) => set({ status: DELIVERY_STATUSES.find((status) => status === value) ?? null })}
        />
      )}
      <Choice
        label="Event"
        value={filters.event ?? ""}
        options={[...WEBHOOK_EVENTS, "webhook.test"].map((event) => [event, event] as const)}
        onValue={(value) => set({ event: value || null })}
      />
      {filters.endpointId && <Narrowed text={filters.endpointId} onClear={() => set({ endpointId: null })} />}
      {filters.paymentId && <Narrowed text={filters.paymentId} onClear={() => set({ paymentId: null })} />}
    </fieldset>
  );
}

function Narrowed({ text, onClear }: { text: string; onClear: () => void }) {
  return (
    <span class="filter set">
      <code>{text}</code>
      <button type="button" class="link-button" aria-label={`Remove filter ${text}`} onClick={onClear}>
        Clear
      </button>
    </span>
  );
}

function DeliveryRow({ delivery, onRetried }: { delivery: Delivery; onRetried: () => void }) {
  return (
    <tr data-test-id="webhook-log-item" data-webhook-id={delivery.id}>
      <Cell label="Event">
        <a href={`/dashboard/webhooks/deliveries/${delivery.id}`} data-row-link={true} data-test-id="webhook-event">
          {delivery.event}
        </a>
      </Cell>
      <Cell label="Payment">
        {delivery.payment_id ? (
          <a class="mono muted" href={`/dashboard/payments/${delivery.payment_id}`}>
            {delivery.payment_id}
          </a>
        ) : (
          <span class="muted">–</span>
        )}
      </Cell>
      <Cell label="Status">
        <Pill status={delivery.status} testId="webhook-status" />
        {delivery.status === "pending" && delivery.next_retry_at && delivery.attempts > 0 && (
          <span class="small muted note">
            next <Near at={delivery.next_retry_at} />
          </span>
        )}
      </Cell>
      <Cell label="Attempts" end>
        <span data-test-id="webhook-attempts">{delivery.attempts}</span>
      </Cell>
      <Cell label="Last attempt">
        <span class="muted">
          <Near at={delivery.last_attempt_at} testId="webhook-last-attempt" />
        </span>
      </Cell>
      <Cell label="Response" end>
        <span
          class={`answer ${delivery.attempts > 0 && delivery.response_code === null ? "bad" : toneOfResponse(delivery.response_code)}`}
          data-test-id="webhook-response-code"
        >
          {delivery.response_code ?? (delivery.attempts > 0 ? "none" : "–")}
        </span>
      </Cell>
      <Cell label="Actions" end>
        <RetryOne id={delivery.id} event={delivery.event} onRetried={onRetried} />
      </Cell>
    </tr>
  );
}

interface RetryOneProps {
  id: string;
  event: string;
  onRetried: () => void;
}

export function RetryOne({ id, event, onRetried }: RetryOneProps) {
  const { api } = useGateway();
  const [sent, setSent] = useState(false);
  const retrying = useAction(async () => {
    await api.send("POST", `/webhooks/${id}/retry`);
    announce(`${event} will be retried`);
    setSent(true);
    onRetried();
  });
  useEffect(() => {
    if (!sent) return;
    const timer = setTimeout(() => {
      setSent(false);
      onRetried();
    }, 1_000);
    return () => clearTimeout(timer);
  }, [sent, onRetried]);
  return (
    <>
      <Guarded right="webhooks" inRow>
        <button
          type="button"
          class="button quiet small-button"
          data-test-id="retry-webhook-button"
          aria-label={`Retry ${event}`}
          disabled={retrying.busy || sent}
          onClick={() => retrying.run()}
        >
          Retry
        </button>
      </Guarded>
      <FormProblem failure={retrying.failure} />
    </>
  );
}
