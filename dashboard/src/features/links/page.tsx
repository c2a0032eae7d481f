/** Payment links, newest first: orders that are sent to their payers. Made, copied, sent again and cancelled here. */
import { useState } from "preact/hooks";
import { formatMoney } from "web-shared/format";
import type { PaymentLink } from "web-shared/wire";
import { newIdempotencyKey, queryText } from "../../api/client.ts";
import type { Change, Page } from "../../api/types.ts";
import { Cell, type Column, ListTable } from "../../list/list-table.tsx";
import { Pager } from "../../list/pager.tsx";
import { keysetPage, useList } from "../../list/use-list.ts";
import { useLive } from "../../live/live-context.tsx";
import { currencyCode } from "../../query/filters.ts";
import { navigate, usePlace } from "../../router/place.ts";
import { Guarded } from "../../session/guarded.tsx";
import { useGateway } from "../../session/session-context.tsx";
import { announce } from "../../ui/announcer.tsx";
import { Confirm } from "../../ui/confirm.tsx";
import { CopyButton } from "../../ui/copy.tsx";
import { Choice, CurrencyEntry, Entry } from "../../ui/filter.tsx";
import { PageHead } from "../../ui/page-head.tsx";
import { Pill } from "../../ui/pill.tsx";
import { EmptyState, FormProblem } from "../../ui/states.tsx";
import { Near } from "../../ui/time.tsx";
import { useAction } from "../../ui/use-action.ts";
import { ORDER_STATUSES } from "../orders/order-filters.ts";
import { LinkDialog } from "./link-dialog.tsx";

const PATH = "/dashboard/links";
const ROWS = 25;
const COLUMNS: readonly Column[] = [
  { label: "Link" },
  { label: "For" },
  { label: "Customer" },
  { label: "Amount", end: true },
  { label: "Status" },
  { label: "Expires" },
  { label: "Created" },
  { label: "Actions", quiet: true },
];

export function LinksPage() {
  const { api } = useGateway();
  const given = new URLSearchParams(usePlace().search);
  const status = ORDER_STATUSES.find((known) => known.toLowerCase() === given.get("status")) ?? null;
  const text = given.get("q") || null;
  const currency = currencyCode(given.get("currency"));
  const cursor = given.get("cursor");
  const [making, setMaking] = useState(false);
  const [cancelling, setCancelling] = useState<PaymentLink | null>(null);
  const list = useList<PaymentLink>(`${status} ${text} ${currency} ${cursor}`, async (signal) => {
    const query = { limit: ROWS, cursor, status, q: text, currency };
    return keysetPage(await api.get<Page<PaymentLink>>("/payment-links", query, signal));
  });
  const { state, dispatch, reload } = list;
  useLive("change", ({ order }: Change) => {
    const shown = order && state.rows.find((row) => row.order_id === order.id);
    if (shown && order) dispatch({ type: "row_changed", row: { ...shown, status: order.status } });
  });
  useLive("gap", () => reload(true));
  const address = (next: { status?: string; q?: string; currency?: string | null; cursor?: string }) =>
    PATH + queryText({ status: status?.toLowerCase(), q: text, currency, ...next });

  return (
    <div class="stack-wide">
      <PageHead title="Payment links" lead="An order with a URL to share. Your customer pays it once.">
        <Guarded right="payments" inRow>
          <button type="button" class="button compact" data-test-id="new-link-button" onClick={() => setMaking(true)}>
            New link
          </button>
        </Guarded>
      </PageHead>
      <fieldset class="filters">
        <legend class="visually-hidden">Filters</legend>
        <Choice
          label="Status"
          value={status?.toLowerCase() ?? ""}
          options={ORDER_STATUSES.map((known) => [known.toLowerCase(), known.toLowerCase()] as const)}
          onValue={(value) => navigate(address({ status: value }))}
        />
        <Entry
          label="Reference or id"
          type="text"
          inputMode="text"
          value={text ?? ""}
          onValue={(value) => navigate(address({ q: value.trim() }))}
        />
        <CurrencyEntry currency={currency} onCurrency={(next) => navigate(address({ currency: next }))} />
        {(status !== null || text !== null || currency !== null) && (
          <button type="button" class="link-button" onClick={() => navigate(PATH)}>
            Clear
          </button>
        )}
      </fieldset>
      <ListTable
        caption="Payment links, newest first"
        noun="payment links"
        testId="links-table"
        columns={COLUMNS}
        state={state}
        filtered={status !== null || text !== null || currency !== null}
        clearPath={PATH}
        onRetry={() => reload()}
        empty={
          <EmptyState
            title="No payment links yet"
            action={
              <Guarded right="payments">
                <button type="button" class="button quiet" onClick={() => setMaking(true)}>
                  Make the first one
                </button>
              </Guarded>
            }
          >
            Take a payment without a shop: create a link, send it, and see here when it is paid.
          </EmptyState>
        }
        row={(link) => (
          <LinkRow
            key={link.id}
            link={link}
            onChanged={(row) => dispatch({ type: "row_changed", row })}
            onCancel={setCancelling}
          />
        )}
      />
      <Pager
        olderPath={state.nextCursor === null ? null : address({ cursor: state.nextCursor })}
        newerPath={cursor === null ? null : address({})}
        words={["Newest", "Older"]}
      />
      {making && <LinkDialog onMade={() => reload(true)} onClose={() => setMaking(false)} />}
      {cancelling && (
        <CancelLink
          link={cancelling}
          onDone={(row) => dispatch({ type: "row_changed", row })}
          onClose={() => setCancelling(null)}
        />
      )}
    </div>
  );
}

interface RowProps {
  link: PaymentLink;
  onChanged: (link: PaymentLink) => void;
  onCancel: (link: PaymentLink) => void;
}

function LinkRow({ link, onChanged, onCancel }: RowProps) {
  const { name, email, contact } = link.customer;
  return (
    <tr data-test-id="link-row" data-link-id={link.id}>
      <Cell label="Link">
        <span class="copyable">
          <a class="mono" href={`/dashboard/orders/${link.order_id}`} data-row-link={true}>
            {link.id}
          </a>
          <CopyButton text={link.url} label="payment link" />
        </span>
      </Cell>
      <Cell label="For">
        <span class="clipped">{link.description ?? link.reference ?? "–"}</span>
      </Cell>
      <Cell label="Customer">
        <span class="clipped">{name ?? email ?? contact ?? "–"}</span>
      </Cell>
      <Cell label="Amount" end>
        <span class="figure">{formatMoney(link.amount, link.currency)}</span>
      </Cell>
      <Cell label="Status">
        <Pill status={link.status} testId="link-status" />
        {link.resent > 0 && <span class="small muted note">resent: {link.resent}</span>}
      </Cell>
      <Cell label="Expires">
        <span class="muted">
          <Near at={link.status === "CREATED" ? link.expires_at : null} />
        </span>
      </Cell>
      <Cell label="Created">
        <span class="muted">
          <Near at={link.created_at} />
        </span>
      </Cell>
      <Cell label="Actions" end>
        {link.status === "CREATED" && (
          <Guarded right="payments" inRow>
            <Actions link={link} onChanged={onChanged} onCancel={onCancel} />
          </Guarded>
        )}
      </Cell>
    </tr>
  );
}

function Actions({ link, onChanged, onCancel }: RowProps) {
  const { api } = useGateway();
  const resending = useAction(async () => {
    const path = `/payment-links/${link.id}/resend`;
    onChanged(await api.send<PaymentLink>("POST", path, {}, { idempotencyKey: newIdempotencyKey() }));
    announce("payment_link.resent was sent to your endpoints");
  });
  return (
    <span class="row-actions">
      <button
        type="button"
        class="link-button"
        data-test-id="resend-link-button"
        title="Sends payment_link.resent to your endpoints; the gateway sends no e-mail"
        disabled={resending.busy}
        onClick={() => resending.run()}
      >
        Send again
      </button>
      <button type="button" class="link-button" data-test-id="cancel-link-button" onClick={() => onCancel(link)}>
        Cancel
      </button>
      {resending.failure && <FormProblem failure={resending.failure} />}
    </span>
  );
}

interface CancelProps {
  link: PaymentLink;
  onDone: (link: PaymentLink) => void;
  onClose: () => void;
}

function CancelLink({ link, onDone, onClose }: CancelProps) {
  const { api } = useGateway();
  const [idempotencyKey] = useState(newIdempotencyKey);
  const cancel = async () => {
    onDone(await api.send<PaymentLink>("POST", `/payment-links/${link.id}/cancel`, {}, { idempotencyKey }));
    announce("Payment link cancelled");
  };
  return (
    <Confirm title="Cancel link" confirmText="Cancel link" dismissText="Keep it" onConfirm={cancel} onClose={onClose}>
      <p>
        This link can no longer be used to pay <strong>{formatMoney(link.amount, link.currency)}</strong>; its page
        shows that it was cancelled. This cannot be undone.
      </p>
    </Confirm>
  );
}
