/** Everything that happened, in the order it became certain: the same feed that `GET /events` gives to programs. */

import type { DomainEvent } from "web-shared/wire";
import { queryText } from "../../api/client.ts";
import type { Page } from "../../api/types.ts";
import { Cell, type Column, ListTable } from "../../list/list-table.tsx";
import { Pager } from "../../list/pager.tsx";
import { useResource } from "../../list/resource.ts";
import { keysetPage, useList } from "../../list/use-list.ts";
import type { Parameters } from "../../router/match.ts";
import { navigate, usePlace } from "../../router/place.ts";
import { useGateway } from "../../session/session-context.tsx";
import { CodeBlock, jsonText } from "../../ui/code-block.tsx";
import { CopyableId } from "../../ui/copy.tsx";
import { Choice } from "../../ui/filter.tsx";
import { PageHead } from "../../ui/page-head.tsx";
import { EmptyState, ErrorState, Skeleton } from "../../ui/states.tsx";
import { Moment } from "../../ui/time.tsx";

const PATH = "/dashboard/events";
const ROWS = 25;
const TYPES = [
  "order.created",
  "payment.created",
  "payment.processing",
  "payment.success",
  "payment.failed",
  "payment.late_success",
  "payment.reversed",
  "payment.reinstated",
  "payment.captured",
  "refund.created",
  "refund.processed",
  "refund.failed",
  "refund.late_success",
] as const;
const COLUMNS: readonly Column[] = [
  { label: "Event" },
  { label: "Type" },
  { label: "Sequence", end: true },
  { label: "At" },
];

export function EventsPage() {
  const { api } = useGateway();
  const given = new URLSearchParams(usePlace().search);
  const type = TYPES.find((known) => known === given.get("type")) ?? null;
  const after = given.get("after");
  const list = useList<DomainEvent>(`${type} ${after}`, async (signal) =>
    keysetPage(await api.get<Page<DomainEvent>>("/events", { limit: ROWS, after, type }, signal)),
  );
  const { state } = list;
  return (
    <div class="stack-wide">
      <PageHead
        title="Events"
        lead="The complete history, oldest first; programs read the same at GET /api/v1/events."
      />
      <fieldset class="filters">
        <legend class="visually-hidden">Filters</legend>
        <Choice
          label="Type"
          value={type ?? ""}
          options={TYPES.map((known) => [known, known] as const)}
          onValue={(value) => navigate(PATH + queryText({ type: value }))}
        />
      </fieldset>
      <ListTable
        caption="Events, oldest first"
        noun="events"
        testId="events-table"
        columns={COLUMNS}
        state={state}
        filtered={type !== null || after !== null}
        clearPath={PATH}
        onRetry={() => list.reload()}
        empty={
          <EmptyState
            title="Nothing has happened yet"
            action={
              <a class="button quiet" href="/dashboard/docs">
                Make an order
              </a>
            }
          >
            The first event is the first order.
          </EmptyState>
        }
        row={(event) => (
          <tr key={event.id} data-test-id="event-row">
            <Cell label="Event">
              <a class="mono" href={`${PATH}/${event.id}`} data-row-link={true}>
                {event.id}
              </a>
            </Cell>
            <Cell label="Type">{event.type}</Cell>
            <Cell label="Sequence" end>
              {event.sequence}
            </Cell>
            <Cell label="At">
              <span class="muted">
                <Moment at={event.at} />
              </span>
            </Cell>
          </tr>
        )}
      />
      <Pager
        newerPath={after === null ? null : PATH + queryText({ type })}
        olderPath={
          state.hasMore && state.nextCursor !== null ? PATH + queryText({ type, after: state.nextCursor }) : null
        }
        words={["First", "Later"]}
      />
    </div>
  );
}

export function EventPage({ parameters }: { parameters: Parameters }) {
  const id = parameters.id ?? "";
  const { api } = useGateway();
  const event = useResource(id, (signal) => api.get<DomainEvent>(`/events/${id}`, {}, signal));
  return (
    <div class="stack-wide">
      <PageHead
        title={event.value?.type ?? "Event"}
        documentTitle={id}
        back={[PATH, "Events"]}
        lead={<CopyableId id={id} label="event id" />}
      />
      <div class="card pad">
        {event.state.status === "loading" && <Skeleton lines={8} />}
        {event.state.status === "error" && (
          <ErrorState title="The event could not be loaded" failure={event.state.failure} onRetry={event.reload} />
        )}
        {event.value && <CodeBlock text={jsonText(event.value)} label="Event as JSON" />}
      </div>
    </div>
  );
}
