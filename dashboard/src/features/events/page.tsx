/** Everything that happened, newest first: the history that programs read at `GET /events`, from its other end. */

import { EVENT_KINDS } from "web-shared/events";
import { formatMoney } from "web-shared/format";
import type { DomainEvent, EventType } from "web-shared/wire";
import { queryText } from "../../api/client.ts";
import type { Page } from "../../api/types.ts";
import { ArrivedBar } from "../../list/arrived-bar.tsx";
import { Cell, type Column, ListTable } from "../../list/list-table.tsx";
import { Pager } from "../../list/pager.tsx";
import { useResource } from "../../list/resource.ts";
import { keysetPage, type List, useList } from "../../list/use-list.ts";
import { useFollowing } from "../../live/following.ts";
import { useLive } from "../../live/live-context.tsx";
import type { Parameters } from "../../router/match.ts";
import { navigate, usePlace } from "../../router/place.ts";
import { useGateway } from "../../session/session-context.tsx";
import { CodeBlock, jsonText } from "../../ui/code-block.tsx";
import { CopyableId } from "../../ui/copy.tsx";
import { Choice } from "../../ui/filter.tsx";
import { PageHead } from "../../ui/page-head.tsx";
import { EmptyState, ErrorState, Skeleton } from "../../ui/states.tsx";
import { Moment } from "../../ui/time.tsx";
import { arrivedOf, subjectOf } from "./subject.ts";

const PATH = "/dashboard/events";
const ROWS = 25;
const TYPES = Object.keys(EVENT_KINDS).filter((type): type is EventType => !type.startsWith("endpoint."));
const COLUMNS: readonly Column[] = [
  { label: "Event" },
  { label: "About" },
  { label: "Amount", end: true },
  { label: "At" },
];

export function EventsPage() {
  const { api } = useGateway();
  const given = new URLSearchParams(usePlace().search);
  const type = TYPES.find((known) => known === given.get("type")) ?? null;
  const after = given.get("after");
  const load = (signal?: AbortSignal) =>
    api.get<Page<DomainEvent>>("/events", { order: "newest", limit: ROWS, after, type }, signal);
  const list = useList<DomainEvent>(`${type} ${after}`, async (signal) => keysetPage(await load(signal)));
  const { state } = list;
  useArrivals(list, after === null, () => load());
  return (
    <div class="stack-wide">
      <PageHead title="Events" lead="The complete history, newest first. Also available at GET /api/v1/events." />
      <fieldset class="filters">
        <legend class="visually-hidden">Filters</legend>
        <Choice
          label="Type"
          value={type ?? ""}
          options={TYPES.map((known) => [known, known] as const)}
          onValue={(value) => navigate(PATH + queryText({ type: value }))}
        />
      </fieldset>
      <ArrivedBar count={state.arrivedIds.length} testId="new-events-bar" onShow={() => list.reload(true)} />
      <ListTable
        caption="Events, newest first"
        noun="events"
        testId="events-table"
        columns={COLUMNS}
        state={state}
        filtered={type !== null || after !== null}
        clearPath={PATH}
        onRetry={() => list.reload()}
        empty={
          <EmptyState
            title="No events yet"
            action={
              <a class="button quiet" href="/dashboard/docs">
                Make an order
              </a>
            }
          >
            The first event is your first order.
          </EmptyState>
        }
        row={(event) => <EventRow key={event.id} event={event} />}
      />
      <Pager
        newerPath={after === null ? null : PATH + queryText({ type })}
        olderPath={
          state.hasMore && state.nextCursor !== null ? PATH + queryText({ type, after: state.nextCursor }) : null
        }
        words={["Newest", "Older"]}
      />
    </div>
  );
}

/** Counts what is new; an empty list has nothing under the reader's eyes that could move. */
function useArrivals(list: List<DomainEvent>, firstPage: boolean, load: () => Promise<Page<DomainEvent>>): void {
  const { state, dispatch, reload } = list;
  const look = async () => {
    if (!firstPage || state.status !== "ready") return;
    if (state.rows.length === 0) return reload(true);
    try {
      for (const row of arrivedOf((await load()).data, state.rows)) dispatch({ type: "row_arrived", row });
    } catch {
      // The next change retries.
    }
  };
  // The feed shows an event once nothing older can still appear: a moment after it happened.
  const follow = useFollowing(() => void look());
  useLive("change", follow);
  useLive("gap", () => reload(true));
}

function EventRow({ event }: { event: DomainEvent }) {
  const { about, amount, currency } = subjectOf(event);
  return (
    <tr data-test-id="event-row" data-event-id={event.id}>
      <Cell label="Event">
        <a href={`${PATH}/${event.id}`} data-row-link={true}>
          {event.type}
        </a>
        <code class="small muted under">{event.id}</code>
      </Cell>
      <Cell label="About">
        {about === null ? (
          <span class="muted">–</span>
        ) : (
          <a class="mono" href={about.path}>
            {about.id}
          </a>
        )}
      </Cell>
      <Cell label="Amount" end>
        <span class="figure">{amount === null ? "–" : formatMoney(amount, currency)}</span>
      </Cell>
      <Cell label="At">
        <span class="muted">
          <Moment at={event.at} />
        </span>
      </Cell>
    </tr>
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
