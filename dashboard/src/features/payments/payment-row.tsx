/** One payment as a row of a list. */
import { formatMoney } from "web-shared/format";
import { methodOf } from "web-shared/methods";
import type { Payment } from "web-shared/wire";
import { Cell, type Column } from "../../list/list-table.tsx";
import { Guarded } from "../../session/guarded.tsx";
import { Pill } from "../../ui/pill.tsx";
import { Near } from "../../ui/time.tsx";
import { actionsOn } from "./actions.ts";
import { moneyWords } from "./money-words.ts";

export const PAYMENT_COLUMNS: readonly Column[] = [
  { label: "Payment" },
  { label: "Order" },
  { label: "Amount", end: true },
  { label: "Method" },
  { label: "Status" },
  { label: "Created" },
  { label: "Actions", quiet: true },
];

export interface PaymentRowProps {
  payment: Payment;
  /** Without it the row has no column of actions. */
  onRefund?: (payment: Payment) => void;
}

export function PaymentRow({ payment, onRefund }: PaymentRowProps) {
  const note = moneyWords(payment);
  return (
    <tr data-test-id="transaction-row" data-payment-id={payment.id}>
      <Cell label="Payment">
        <a class="mono" href={`/dashboard/payments/${payment.id}`} data-row-link={true} data-test-id="payment-id">
          {payment.id}
        </a>
      </Cell>
      <Cell label="Order">
        <a class="mono muted" href={`/dashboard/orders/${payment.order_id}`} data-test-id="order-id">
          {payment.order_id}
        </a>
      </Cell>
      <Cell label="Amount" end>
        <span class="figure" data-test-id="amount">
          {formatMoney(payment.amount, payment.currency)}
        </span>
      </Cell>
      <Cell label="Method">
        <span class="instrument">
          <span class="method" data-test-id="method">
            {payment.method}
          </span>{" "}
          <span>{methodOf(payment.method).detail(payment)}</span>
        </span>
      </Cell>
      <Cell label="Status">
        <Pill status={payment.status} testId="status" />
        {note && <span class="small muted note">{note}</span>}
      </Cell>
      <Cell label="Created">
        <span class="muted">
          <Near at={payment.created_at} testId="created-at" />
        </span>
      </Cell>
      {onRefund && (
        <Cell label="Actions" end>
          {actionsOn(payment).refundMinor > 0 && (
            <Guarded right="refunds" inRow>
              <button
                type="button"
                class="button quiet small-button"
                data-test-id="refund-button"
                aria-label={`Refund ${payment.id}`}
                onClick={() => onRefund(payment)}
              >
                Refund
              </button>
            </Guarded>
          )}
        </Cell>
      )}
    </tr>
  );
}
