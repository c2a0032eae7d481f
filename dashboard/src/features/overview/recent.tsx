/** The latest payments. The list updates automatically: it is not read line by line. */
import { useCallback } from "preact/hooks";
import type { Payment } from "web-shared/wire";
import type { Change, Page } from "../../api/types.ts";
import { ListTable } from "../../list/list-table.tsx";
import { keysetPage, useList } from "../../list/use-list.ts";
import { useLive } from "../../live/live-context.tsx";
import { useGateway } from "../../session/session-context.tsx";
import { EmptyState } from "../../ui/states.tsx";
import { PAYMENT_COLUMNS, PaymentRow } from "../payments/payment-row.tsx";

const ROWS = 6;

export function Recent() {
  const { api } = useGateway();
  const list = useList<Payment>("recent", async (signal) =>
    keysetPage(await api.get<Page<Payment>>("/payments", { limit: ROWS }, signal)),
  );
  const changed = useCallback(
    ({ payment, type }: Change) => {
      if (!payment) return;
      if (type === "payment.created") list.reload(true);
      else list.dispatch({ type: "row_changed", row: payment });
    },
    [list.reload, list.dispatch],
  );
  useLive("change", changed);
  useLive("gap", () => list.reload(true));
  return (
    <section class="stack">
      <div class="card-head">
        <h2>Latest payments</h2>
        <a class="small" href="/dashboard/transactions">
          All payments
        </a>
      </div>
      <ListTable
        caption="Latest payments"
        noun="payments"
        columns={PAYMENT_COLUMNS.slice(0, -1)}
        state={list.state}
        filtered={false}
        clearPath="/dashboard/transactions"
        onRetry={() => list.reload()}
        empty={
          <EmptyState
            title="No payments yet"
            action={
              <a class="button quiet" href="/dashboard/docs">
                Take the first one
              </a>
            }
          >
            It appears here as soon as it is made.
          </EmptyState>
        }
        row={(payment) => <PaymentRow key={payment.id} payment={payment} />}
      />
    </section>
  );
}
