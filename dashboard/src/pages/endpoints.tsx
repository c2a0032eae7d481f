/** Where webhooks go: each endpoint with its events, its order of delivery, its secret and its switch. */
import { useState } from "preact/hooks";
import type { Endpoint, EndpointWithSecret, Listed } from "../api/types.ts";
import type { ListPage } from "../list/list.ts";
import { useList } from "../list/use-list.ts";
import { announce } from "../parts/announcer.tsx";
import { Confirm } from "../parts/confirm.tsx";
import { Cell, type Column, ListTable } from "../parts/list-table.tsx";
import { PageHead } from "../parts/page-head.tsx";
import { Pill } from "../parts/pill.tsx";
import { SecretOnce } from "../parts/secret-once.tsx";
import { EmptyState } from "../parts/states.tsx";
import { useGateway } from "../session/session-context.tsx";
import { EndpointActions } from "../webhooks/endpoint-actions.tsx";
import { EndpointDialog } from "../webhooks/endpoint-dialog.tsx";
import { ReplayDialog } from "../webhooks/replay-dialog.tsx";
import { WebhookTabs } from "../webhooks/tabs.tsx";

const PATH = "/dashboard/webhooks/endpoints";
const COLUMNS: readonly Column[] = [
  { label: "Endpoint" },
  { label: "Events" },
  { label: "Order" },
  { label: "Status" },
  { label: "Actions", quiet: true },
];

/** What stands open over the list. */
export type Open =
  | { kind: "create" }
  | { kind: "edit" | "rotate" | "delete" | "replay"; endpoint: Endpoint }
  | { kind: "secret"; endpoint: EndpointWithSecret };

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
        <button
          type="button"
          class="button compact"
          data-test-id="add-endpoint-button"
          onClick={() => setOpen({ kind: "create" })}
        >
          Add endpoint
        </button>
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
            title="No endpoint yet"
            action={
              <button type="button" class="button quiet" onClick={() => setOpen({ kind: "create" })}>
                Add the first one
              </button>
            }
          >
            An endpoint is an address of yours that is told of every outcome, signed.
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
          title="Its deliveries"
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
          <span class="small muted refunded-note">{REASONS[endpoint.disabled_reason] ?? endpoint.disabled_reason}</span>
        )}
      </Cell>
      <Cell label="Actions" end>
        <EndpointActions endpoint={endpoint} onOpen={onOpen} onChanged={onChanged} />
      </Cell>
    </tr>
  );
}

const REASONS: Readonly<Record<string, string>> = { gone: "it answered 410", failing: "it kept failing" };

interface OpenDialogProps {
  open: Open;
  onOpen: (open: Open) => void;
  onClose: () => void;
  onChanged: () => void;
}

function OpenDialog({ open, onOpen, onClose, onChanged }: OpenDialogProps) {
  const { api } = useGateway();
  const showSecret = (endpoint: EndpointWithSecret) => {
    onChanged();
    onOpen({ kind: "secret", endpoint });
  };
  switch (open.kind) {
    case "create":
      return <EndpointDialog endpoint={null} onCreated={showSecret} onChanged={onChanged} onClose={onClose} />;
    case "edit":
      return <EndpointDialog endpoint={open.endpoint} onCreated={showSecret} onChanged={onChanged} onClose={onClose} />;
    case "replay":
      return <ReplayDialog endpoint={open.endpoint} onClose={onClose} />;
    case "secret":
      return (
        <SecretOnce
          title="Signing secret"
          note="Verify each webhook's signature with it. It is shown this one time."
          values={[["Secret", open.endpoint.secret]]}
          onClose={onClose}
        />
      );
    case "rotate": {
      const { id, url } = open.endpoint;
      const rotate = async () => {
        showSecret(await api.send<EndpointWithSecret>("POST", `/webhook-endpoints/${id}/rotate-secret`));
      };
      return (
        <Confirm
          title="Rotate the secret"
          confirmText="Rotate"
          onConfirm={rotate}
          onDone={() => undefined}
          onClose={onClose}
        >
          <p>
            <code class="wrap">{url}</code> gets a new signing secret. The old one signs beside it for 24 hours.
          </p>
        </Confirm>
      );
    }
    case "delete": {
      const { id, url } = open.endpoint;
      const remove = async () => {
        await api.send("DELETE", `/webhook-endpoints/${id}`);
        announce("Endpoint deleted");
        onChanged();
      };
      return (
        <Confirm title="Delete endpoint" confirmText="Delete" onConfirm={remove} onClose={onClose}>
          <p>
            <code class="wrap">{url}</code> is told of nothing any more. Its deliveries stay in the log.
          </p>
        </Confirm>
      );
    }
  }
}
