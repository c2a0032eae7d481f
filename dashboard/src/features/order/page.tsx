/** One order: its content, the attempts to pay it, and the way to cancel it. */
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { formatMoney } from "web-shared/format";
import type { Order, Payment } from "web-shared/wire";
import { newIdempotencyKey } from "../../api/client.ts";
import type { Change, Page } from "../../api/types.ts";
import { ListTable } from "../../list/list-table.tsx";
import { type Resource, useResource } from "../../list/resource.ts";
import { keysetPage, type List, useList } from "../../list/use-list.ts";
import { useLive } from "../../live/live-context.tsx";
import type { Parameters } from "../../router/match.ts";
import { Guarded } from "../../session/guarded.tsx";
import { useGateway } from "../../session/session-context.tsx";
import { announce } from "../../ui/announcer.tsx";
import { CodeBlock, jsonText } from "../../ui/code-block.tsx";
import { Confirm } from "../../ui/confirm.tsx";
import { CopyableId, CopyButton } from "../../ui/copy.tsx";
import { PageHead } from "../../ui/page-head.tsx";
import { Pill } from "../../ui/pill.tsx";
import { EmptyState, ErrorState, Skeleton } from "../../ui/states.tsx";
import { Moment } from "../../ui/time.tsx";
import { isCancellable } from "../orders/cancellable.ts";
import { PAYMENT_COLUMNS, PaymentRow } from "../payments/payment-row.tsx";
import { minutesText } from "../settings/capture-time.ts";

/** Of an order with more attempts than that, the latest. */
const ATTEMPTS = 25;

export function OrderPage({ parameters }: { parameters: Parameters }) {
  const id = parameters.id ?? "";
  const { api } = useGateway();
  const order = useResource(`order ${id}`, (signal) => api.get<Order>(`/orders/${id}`, {}, signal));
  const payments = useList<Payment>(`payments of ${id}`, async (signal) =>
    keysetPage(await api.get<Page<Payment>>("/payments", { order_id: id, limit: ATTEMPTS }, signal)),
  );
  const readAgain = () => {
    order.reload();
    payments.reload(true);
  };
  useLive("change", (change: Change) => {
    if (change.order?.id === id || change.payment?.order_id === id) readAgain();
  });
  useLive("gap", readAgain);

  return (
    <div class="stack-wide">
      <Head id={id} order={order} payments={payments} />
      {order.state.status === "error" && (
        <div class="card">
          <ErrorState title="The order could not be loaded" failure={order.state.failure} onRetry={order.reload} />
        </div>
      )}
      {order.state.status === "loading" && (
        <div class="card pad">
          <Skeleton lines={5} />
        </div>
      )}
      {order.value && (
        <>
          <div class="two">
            <Facts order={order.value} />
            <div class="stack">
              <Notes notes={order.value.notes} />
              <section class="card pad">
                <details>
                  <summary>Raw JSON</summary>
                  <CodeBlock text={jsonText(order.value)} label="Order as JSON" />
                </details>
              </section>
            </div>
          </div>
          <Attempts list={payments} />
        </>
      )}
    </div>
  );
}

function Head({ id, order, payments }: { id: string; order: Resource<Order>; payments: List<Payment> }) {
  const [cancelling, setCancelling] = useState(false);
  const value = order.value;
  const cancellable = value && payments.state.status === "ready" && isCancellable(value, payments.state.rows);
  return (
    <>
      <PageHead
        title={value ? formatMoney(value.amount, value.currency) : "Order"}
        documentTitle={id}
        back={["/dashboard/orders", "Orders"]}
        badge={value && <Pill status={value.status} testId="order-status" />}
        lead={<CopyableId id={id} label="order id" testId="order-id" />}
      >
        {cancellable && (
          <Guarded right="payments" inRow>
            <button
              type="button"
              class="button quiet"
              data-test-id="cancel-order-button"
              onClick={() => setCancelling(true)}
            >
              Cancel order
            </button>
          </Guarded>
        )}
      </PageHead>
      {value && cancelling && <Cancel order={value} onDone={order.change} onClose={() => setCancelling(false)} />}
    </>
  );
}

interface CancelProps {
  order: Order;
  onDone: (order: Order) => void;
  onClose: () => void;
}

function Cancel({ order, onDone, onClose }: CancelProps) {
  const { api } = useGateway();
  const [idempotencyKey] = useState(newIdempotencyKey);
  const cancel = async () => {
    onDone(await api.send<Order>("POST", `/orders/${order.id}/cancel`, {}, { idempotencyKey }));
    announce("Order cancelled");
  };
  return (
    <Confirm title="Cancel order" confirmText="Cancel order" dismissText="Keep it" onConfirm={cancel} onClose={onClose}>
      <p>
        This order of <strong>{formatMoney(order.amount, order.currency)}</strong> can no longer be paid. An open
        checkout shows that it was cancelled. This cannot be undone.
      </p>
    </Confirm>
  );
}

function Facts({ order }: { order: Order }) {
  const { config } = useGateway();
  const checkout = `${config.checkout_url}/checkout?order_id=${order.id}`;
  return (
    <section class="card pad stack">
      <h2>Details</h2>
      <dl class="facts">
        <Fact term="Receipt" testId="receipt">
          {order.receipt ?? <span class="muted">–</span>}
        </Fact>
        <Fact term="Paid" testId="amount-paid">
          {formatMoney(order.amount_paid, order.currency)} of {formatMoney(order.amount, order.currency)}
        </Fact>
        <Fact term="Attempts" testId="attempts">
          {order.attempts}
        </Fact>
        <Fact term="Capture" testId="capture-terms">
          {captureText(order)}
        </Fact>
        <Fact term={order.status === "EXPIRED" ? "Expired" : "Expires"} testId="expires-at">
          {order.expires_at === null ? "never" : <Moment at={order.expires_at} />}
        </Fact>
        {order.return_url !== null && (
          <Fact term="Back to" testId="return-url">
            {order.return_url}
          </Fact>
        )}
        {order.payment_link && (
          <Fact term="Payment link" testId="payment-link">
            <span class="copyable">
              <a href={order.payment_link.url} target="_blank" rel="noopener">
                {order.payment_link.url}
              </a>
              <CopyButton text={order.payment_link.url} label="payment link" />
            </span>
          </Fact>
        )}
        <Fact term="Created">
          <Moment at={order.created_at} />
        </Fact>
        {order.status === "CANCELLED" && (
          <Fact term="Cancelled">
            <Moment at={order.updated_at} />
          </Fact>
        )}
        {order.status === "CREATED" && (
          <Fact term="Checkout">
            <span class="copyable">
              <a href={checkout} target="_blank" rel="noopener">
                Open the checkout
              </a>
              <CopyButton text={checkout} label="address of the checkout" />
            </span>
          </Fact>
        )}
      </dl>
    </section>
  );
}

function Fact({ term, testId, children }: { term: string; testId?: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{term}</dt>
      <dd data-test-id={testId}>{children}</dd>
    </div>
  );
}

/** How a payment of the order is captured. */
export function captureText({ capture, capture_within_minutes }: Order): string {
  if (capture === "automatic") return "automatically, as soon as a payment succeeds";
  return capture_within_minutes === null ? "manually" : `manually, within ${minutesText(capture_within_minutes)}`;
}

function Notes({ notes }: { notes: Order["notes"] }) {
  const entries = Object.entries(notes);
  if (entries.length === 0) return null;
  return (
    <section class="card pad stack">
      <h2>Notes</h2>
      <dl class="facts" data-test-id="order-notes">
        {entries.map(([name, text]) => (
          <Fact key={name} term={name}>
            {text}
          </Fact>
        ))}
      </dl>
    </section>
  );
}

function Attempts({ list }: { list: List<Payment> }) {
  return (
    <section class="stack">
      <h2>Payments</h2>
      <ListTable
        caption="Payments of this order, newest first"
        noun="payments"
        testId="order-payments"
        columns={PAYMENT_COLUMNS.slice(0, -1)}
        state={list.state}
        filtered={false}
        clearPath=""
        onRetry={() => list.reload()}
        empty={<EmptyState title="No payments for this order yet" />}
        row={(payment) => <PaymentRow key={payment.id} payment={payment} />}
      />
    </section>
  );
}
