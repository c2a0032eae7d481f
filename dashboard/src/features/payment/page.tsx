/** One payment: what it is, what can be done with it, everything that happened to it. */
import { useState } from "preact/hooks";
import { formatMoney } from "web-shared/format";
import { formatInstrument } from "web-shared/methods";
import type { Payment, Refund, Timeline } from "web-shared/wire";
import type { Change, Page } from "../../api/types.ts";
import { type Resource, useResource } from "../../list/resource.ts";
import { useFollowing } from "../../live/following.ts";
import { useLive } from "../../live/live-context.tsx";
import type { Parameters } from "../../router/match.ts";
import { Guarded } from "../../session/guarded.tsx";
import { useGateway } from "../../session/session-context.tsx";
import { CodeBlock, jsonText } from "../../ui/code-block.tsx";
import { CopyableId } from "../../ui/copy.tsx";
import { PageHead } from "../../ui/page-head.tsx";
import { Pill } from "../../ui/pill.tsx";
import { ErrorState, Skeleton } from "../../ui/states.tsx";
import { Moment } from "../../ui/time.tsx";
import { actionsOn } from "../payments/actions.ts";
import { CaptureDialog } from "../payments/capture-dialog.tsx";
import { moneyWords } from "../payments/money-words.ts";
import { RefundDialog } from "../payments/refund-dialog.tsx";
import { VoidDialog } from "../payments/void-dialog.tsx";
import { TimelineView } from "./timeline-view.tsx";

export function PaymentPage({ parameters }: { parameters: Parameters }) {
  const id = parameters.id ?? "";
  const { api } = useGateway();
  const payment = useResource(`payment ${id}`, (signal) => api.get<Payment>(`/payments/${id}`, {}, signal));
  const timeline = useResource(`timeline ${id}`, (signal) => api.get<Timeline>(`/payments/${id}/timeline`, {}, signal));
  const refunds = useResource(`refunds ${id}`, (signal) =>
    api.get<Page<Refund>>("/refunds", { payment_id: id, limit: 100 }, signal),
  );
  const follow = useFollowing(timeline.reload);
  useLive("change", (change: Change) => {
    if (change.payment?.id === id) payment.change(change.payment);
    else if (change.refund?.payment_id === id) payment.reload();
    else return;
    if (change.refund) refunds.reload();
    timeline.reload();
    follow();
  });
  useLive("gap", () => {
    payment.reload();
    timeline.reload();
    refunds.reload();
  });

  return (
    <div class="stack-wide">
      <Head id={id} payment={payment} />
      {payment.state.status === "error" && (
        <div class="card">
          <ErrorState
            title="The payment could not be loaded"
            failure={payment.state.failure}
            onRetry={payment.reload}
          />
        </div>
      )}
      {payment.state.status === "loading" && (
        <div class="card pad">
          <Skeleton lines={5} />
        </div>
      )}
      {payment.value && (
        <div class="two payment-columns">
          <section class="card pad stack">
            <h2>Timeline</h2>
            <TimelineBox timeline={timeline} />
          </section>
          <div class="stack">
            <Facts payment={payment.value} refunds={refunds.value?.data ?? []} />
            <Refunds refunds={refunds} />
            <section class="card pad">
              <details>
                <summary>Raw JSON</summary>
                <CodeBlock text={jsonText(payment.value)} label="Payment as JSON" />
              </details>
            </section>
          </div>
        </div>
      )}
    </div>
  );
}

function Head({ id, payment }: { id: string; payment: Resource<Payment> }) {
  const [dialog, setDialog] = useState<"refund" | "capture" | "void" | null>(null);
  const value = payment.value;
  const actions = value && actionsOn(value);
  const close = () => setDialog(null);
  return (
    <>
      <PageHead
        title={value ? formatMoney(value.amount, value.currency) : "Payment"}
        documentTitle={id}
        back={["/dashboard/transactions", "Payments"]}
        badge={value && <Badges payment={value} />}
        lead={<CopyableId id={id} label="payment id" testId="payment-id" />}
      >
        {actions && actions.captureMinor > 0 && (
          <Guarded right="payments" inRow>
            <button
              type="button"
              class="button compact"
              data-test-id="capture-button"
              onClick={() => setDialog("capture")}
            >
              Capture
            </button>
          </Guarded>
        )}
        {actions?.canVoid && (
          <Guarded right="payments" inRow>
            <button type="button" class="button quiet" data-test-id="void-button" onClick={() => setDialog("void")}>
              Void
            </button>
          </Guarded>
        )}
        {actions && actions.refundMinor > 0 && (
          <Guarded right="refunds" inRow>
            <button type="button" class="button quiet" data-test-id="refund-button" onClick={() => setDialog("refund")}>
              Refund
            </button>
          </Guarded>
        )}
      </PageHead>
      {value && dialog === "refund" && <RefundDialog payment={value} onDone={payment.reload} onClose={close} />}
      {value && dialog === "capture" && <CaptureDialog payment={value} onDone={payment.change} onClose={close} />}
      {value && dialog === "void" && <VoidDialog payment={value} onDone={payment.change} onClose={close} />}
    </>
  );
}

/** The bank's outcome, and what the merchant, or time, did with it. */
function Badges({ payment }: { payment: Payment }) {
  return (
    <>
      <Pill status={payment.status} testId="payment-status" />
      {payment.captured && <Pill status="captured" tone="ok" testId="payment-captured" />}
      {payment.void_reason && (
        <Pill status={payment.void_reason === "expired" ? "expired" : "voided"} testId="payment-voided" />
      )}
    </>
  );
}

function TimelineBox({ timeline }: { timeline: Resource<Timeline> }) {
  if (timeline.state.status === "error") {
    return (
      <ErrorState title="The timeline could not be loaded" failure={timeline.state.failure} onRetry={timeline.reload} />
    );
  }
  return timeline.value ? <TimelineView timeline={timeline.value} /> : <Skeleton lines={5} />;
}

function Facts({ payment, refunds }: { payment: Payment; refunds: readonly Refund[] }) {
  const words = moneyWords(payment, refunds);
  return (
    <section class="card pad stack">
      <h2>Details</h2>
      <dl class="facts">
        <div>
          <dt>Paid by</dt>
          <dd>{formatInstrument(payment)}</dd>
        </div>
        <Payer payment={payment} />
        <div>
          <dt>Order</dt>
          <dd>
            <a class="mono" href={`/dashboard/orders/${payment.order_id}`}>
              {payment.order_id}
            </a>
          </dd>
        </div>
        <div>
          <dt>Created</dt>
          <dd>
            <Moment at={payment.created_at} />
          </dd>
        </div>
        <div>
          <dt>Captured</dt>
          <dd data-test-id="captured">{capturedText(payment)}</dd>
        </div>
        {payment.capture_before && (
          <div>
            <dt>Capture before</dt>
            <dd data-test-id="capture-before">
              <Moment at={payment.capture_before} />, or the money goes back
            </dd>
          </div>
        )}
        {payment.amount_released > 0 && (
          <div>
            <dt>Released</dt>
            <dd data-test-id="amount-released">
              {formatMoney(payment.amount_released, payment.currency)} {releasedBecause(payment)}
            </dd>
          </div>
        )}
        <div>
          <dt>Refunded</dt>
          <dd data-test-id="amount-refunded">
            {formatMoney(payment.amount_refunded, payment.currency)} of {formatMoney(payment.amount, payment.currency)}
          </dd>
        </div>
        {words && !payment.reversed && payment.amount_owed === 0 && (
          <div>
            <dt>Money</dt>
            <dd data-test-id="money-words">{words}</dd>
          </div>
        )}
        {payment.reversed && (
          <div>
            <dt>Reversed</dt>
            <dd data-test-id="payment-reversed">The bank took the payment back.</dd>
          </div>
        )}
        {payment.amount_owed > 0 && (
          <div>
            <dt>Owed</dt>
            <dd data-test-id="amount-owed">
              <strong>{formatMoney(payment.amount_owed, payment.currency)}</strong>, refunded without money of this
              payment to cover it.
            </dd>
          </div>
        )}
        {payment.error_code && (
          <div>
            <dt>Failed because</dt>
            <dd>
              {payment.error_description} <code>{payment.error_code}</code>
            </dd>
          </div>
        )}
      </dl>
    </section>
  );
}

/** Who pays and for what, as far as known. */
function Payer({ payment }: { payment: Payment }) {
  const fields = [
    ["Payer", payment.name],
    ["E-mail", payment.email],
    ["Contact", payment.contact],
    ["For", payment.description],
    ["Receipt", payment.receipt],
  ] as const;
  return (
    <>
      {fields.map(
        ([term, text]) =>
          text !== null && (
            <div key={term}>
              <dt>{term}</dt>
              <dd data-test-id={`payer-${term.toLowerCase()}`}>{text}</dd>
            </div>
          ),
      )}
    </>
  );
}

function capturedText({ captured, amount, amount_captured, currency }: Payment): string {
  if (!captured) return "no";
  return amount_captured === amount
    ? formatMoney(amount, currency)
    : `${formatMoney(amount_captured, currency)} of ${formatMoney(amount, currency)}`;
}

function releasedBecause({ void_reason }: Payment): string {
  if (void_reason === "requested") return "by a void";
  return void_reason === "expired" ? "as the time for the capture was over" : "by a capture of less";
}

function Refunds({ refunds }: { refunds: Resource<Page<Refund>> }) {
  if (refunds.state.status === "error") {
    return (
      <section class="card">
        <ErrorState title="The refunds could not be loaded" failure={refunds.state.failure} onRetry={refunds.reload} />
      </section>
    );
  }
  const rows = refunds.value?.data ?? [];
  if (rows.length === 0) return null;
  return (
    <section class="card pad stack">
      <h2>Refunds</h2>
      <ul class="refunds" data-test-id="payment-refunds">
        {rows.map((refund) => (
          <li key={refund.id} data-refund-id={refund.id}>
            <span class="figure">{formatMoney(refund.amount, refund.currency)}</span>
            <Pill status={refund.status} testId="refund-status" />
            <code class="muted">{refund.id}</code>
            {refund.reason && <span class="small muted">{refund.reason}</span>}
          </li>
        ))}
      </ul>
    </section>
  );
}
