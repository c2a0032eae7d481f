/** Where webhooks go: each endpoint with its events, its order of delivery, its secret and its switch. */
import { useState } from "preact/hooks";
import type { Endpoint } from "web-shared/wire";
import type { Listed } from "../../api/types.ts";
import type { ListPage } from "../../list/list.ts";
import { Cell, type Column, ListTable } from "../../list/list-table.tsx";
import { useList } from "../../list/use-list.ts";
import { Guarded } from "../../session/guarded.tsx";
import { useGateway } from "../../session/session-context.tsx";
import { PageHead } from "../../ui/page-head.tsx";
import { Pill } from "../../ui/pill.tsx";
import { EmptyState } from "../../ui/states.tsx";
import { WebhookTabs } from "../webhooks/tabs.tsx";
import { EndpointActions } from "./endpoint-actions.tsx";
import { type Open, OpenDialog } from "./open-dialog.tsx";

const PATH = "/dashboard/webhooks/endpoints";
const COLUMNS: readonly Column[] = [
  { label: "Endpoint" },
  { label: "Events" },
  { label: "Order" },
  { label: "Status" },
  { label: "Actions", quiet: true },
];

export function EndpointsPage() {
  const { api } = useGateway();
  const [open, setOpen] = useState<Open | null>(null);
  const list = useList<Endpoint>("endpoints", async (signal) =>
    wholePage(await api.get<Listed<Endpoint>>("/webhook-endpoints", {}, signal)),
  );
  const close = () => setOpen(null);
  const changed = () => list.reload(true);
  return (
    <div class="stack-wide">
      <PageHead title="Endpoints">
        <WebhookTabs />
        <Guarded right="webhooks" inRow>
          <button
            type="button"
            class="button compact"
            data-test-id="add-endpoint-button"
            onClick={() => setOpen({ kind: "create" })}
          >
            Add endpoint
          </button>
        </Guarded>
      </PageHead>
      <ListTable
        caption="Webhook endpoints"
        noun="endpoints"
        testId="endpoints-table"
        columns={COLUMNS}
        state={list.state}
        filtered={false}
        clearPath={PATH}
        onRetry={() => list.reload()}
        empty={
          <EmptyState
            title="No endpoints yet"
            action={
              <Guarded right="webhooks">
                <button type="button" class="button quiet" onClick={() => setOpen({ kind: "create" })}>
                  Add the first one
                </button>
              </Guarded>
            }
          >
            An endpoint is a URL on your server. We send it a signed request for every outcome.
          </EmptyState>
        }
        row={(endpoint) => <EndpointRow key={endpoint.id} endpoint={endpoint} onOpen={setOpen} onChanged={changed} />}
      />
      {open && <OpenDialog open={open} onOpen={setOpen} onClose={close} onChanged={changed} />}
    </div>
  );
}

function wholePage<Row>(listed: Listed<Row>): ListPage<Row> {
  return { rows: listed.data, hasMore: false, nextCursor: null, total: listed.data.length };
}

interface EndpointRowProps {
  endpoint: Endpoint;
  onOpen: (open: Open) => void;
  onChanged: () => void;
}

function EndpointRow({ endpoint, onOpen, onChanged }: EndpointRowProps) {
  return (
    <tr data-test-id="endpoint-row" data-endpoint-id={endpoint.id}>
      <Cell label="Endpoint">
        <a
          class="wrap"
          href={`/dashboard/webhooks?endpoint_id=${endpoint.id}`}
          data-row-link={true}
          title="View its deliveries"
        >
          {endpoint.url}
        </a>
        <span class="small muted under">{endpoint.description || endpoint.id}</span>
      </Cell>
      <Cell label="Events">
        <span class="wrap small">
          {endpoint.events.length === 0 ? "the four outcomes" : endpoint.events.join(", ")}
        </span>
      </Cell>
      <Cell label="Order">
        <span class="small">{endpoint.ordering === "none" ? "any" : "per payment"}</span>
      </Cell>
      <Cell label="Status">
        <Pill status={endpoint.active ? "active" : "paused"} testId="endpoint-status" />
        {!endpoint.active && endpoint.disabled_reason && endpoint.disabled_reason !== "merchant" && (
          <span class="small muted note">{REASONS[endpoint.disabled_reason] ?? endpoint.disabled_reason}</span>
        )}
      </Cell>
      <Cell label="Actions" end>
        <Guarded right="webhooks" inRow>
          <EndpointActions endpoint={endpoint} onOpen={onOpen} onChanged={onChanged} />
        </Guarded>
      </Cell>
    </tr>
  );
}

const REASONS: Readonly<Record<string, string>> = { gone: "it returned 410", failing: "it kept failing" };
