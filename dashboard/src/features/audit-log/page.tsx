/** Who did what, when and from where, newest first. */
import type { AuditEntry } from "web-shared/wire";
import type { Page } from "../../api/types.ts";
import { Cell, type Column, ListTable } from "../../list/list-table.tsx";
import { Pager } from "../../list/pager.tsx";
import { keysetPage, useList } from "../../list/use-list.ts";
import { navigate, usePlace } from "../../router/place.ts";
import { useGateway } from "../../session/session-context.tsx";
import { Select } from "../../ui/field.tsx";
import { DownloadIcon } from "../../ui/icons.tsx";
import { PageHead } from "../../ui/page-head.tsx";
import { EmptyState } from "../../ui/states.tsx";
import { Near } from "../../ui/time.tsx";
import { ACTIONS, actionText, changesOf } from "./entry-text.ts";

const PATH = "/dashboard/audit-log";
const ROWS = 25;
const COLUMNS: readonly Column[] = [
  { label: "When" },
  { label: "What" },
  { label: "To" },
  { label: "Who" },
  { label: "From" },
  { label: "Changes" },
];

/** The list needs an id; places are unique within a merchant's log. */
type Row = AuditEntry & { id: string };

export function AuditLogPage() {
  const { api } = useGateway();
  const given = new URLSearchParams(usePlace().search);
  const filters = { action: given.get("action"), subject: given.get("subject") };
  const cursor = given.get("cursor");
  const { state, reload } = useList<Row>(`${filters.action} ${filters.subject} ${cursor}`, async (signal) => {
    const page = await api.get<Page<AuditEntry>>("/audit-log", { limit: ROWS, cursor, ...filters }, signal);
    return keysetPage({ ...page, data: page.data.map((entry) => ({ ...entry, id: String(entry.place) })) });
  });
  return (
    <div class="stack-wide">
      <PageHead title="Audit log" lead="What people and keys did, each entry chained to the one before it.">
        <a class="button quiet" href={api.url("/audit-log/export.csv", filters)} download>
          <DownloadIcon /> CSV
        </a>
      </PageHead>
      <Select
        label="What"
        testId="audit-action-select"
        options={[["", "Everything"], ...ACTIONS]}
        value={filters.action ?? ""}
        onValue={(action) => navigate(pagePath({ ...filters, action: action || null }, null))}
      />
      <ListTable
        caption="Audit log, newest first"
        noun="entries"
        testId="audit-table"
        columns={COLUMNS}
        state={state}
        filtered={filters.action !== null || filters.subject !== null}
        clearPath={PATH}
        onRetry={() => reload()}
        empty={<EmptyState title="Nothing yet" />}
        row={(entry) => <EntryRow key={entry.id} entry={entry} />}
      />
      <Pager
        olderPath={state.nextCursor === null ? null : pagePath(filters, state.nextCursor)}
        newerPath={cursor === null ? null : pagePath(filters, null)}
        words={["Newest", "Older"]}
      />
    </div>
  );
}

function pagePath(filters: { action: string | null; subject: string | null }, cursor: string | null): string {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries({ ...filters, cursor })) {
    if (value !== null) parameters.set(name, value);
  }
  const text = parameters.toString();
  return text === "" ? PATH : `${PATH}?${text}`;
}

function EntryRow({ entry }: { entry: Row }) {
  return (
    <tr data-test-id="audit-row" data-place={entry.place}>
      <Cell label="When">
        <span class="muted">
          <Near at={entry.at} />
        </span>
      </Cell>
      <Cell label="What">{actionText(entry.action)}</Cell>
      <Cell label="To">
        <a class="mono" href={pagePath({ action: null, subject: entry.subject }, null)}>
          {entry.subject}
        </a>
      </Cell>
      <Cell label="Who">
        <code>{entry.actor}</code>
      </Cell>
      <Cell label="From">
        <code>{entry.address || "–"}</code>
      </Cell>
      <Cell label="Changes">
        <ul class="small">
          {changesOf(entry).map((line) => (
            <li key={line}>{line}</li>
          ))}
        </ul>
      </Cell>
    </tr>
  );
}
