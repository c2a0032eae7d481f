/** One order as a row of the list. */
import { formatMoney } from "web-shared/format";
import type { Order } from "web-shared/wire";
import { Cell, type Column } from "../../list/list-table.tsx";
import { Pill } from "../../ui/pill.tsx";
import { Near } from "../../ui/time.tsx";

export const ORDER_COLUMNS: readonly Column[] = [
  { label: "Order" },
  { label: "Receipt" },
  { label: "Amount", end: true },
  { label: "Attempts", end: true },
  { label: "Status" },
  { label: "Expires" },
  { label: "Created" },
];

export function OrderRow({ order }: { order: Order }) {
  return (
    <tr data-test-id="order-row" data-order-id={order.id}>
      <Cell label="Order">
        <a class="mono" href={`/dashboard/orders/${order.id}`} data-row-link={true}>
          {order.id}
        </a>
      </Cell>
      <Cell label="Receipt">
        {order.receipt === null ? <span class="muted">–</span> : <span class="clipped">{order.receipt}</span>}
      </Cell>
      <Cell label="Amount" end>
        <span class="figure" data-test-id="amount">
          {formatMoney(order.amount, order.currency)}
        </span>
      </Cell>
      <Cell label="Attempts" end>
        <span data-test-id="attempts">{order.attempts}</span>
      </Cell>
      <Cell label="Status">
        <Pill status={order.status} testId="status" />
      </Cell>
      <Cell label="Expires">
        <span class="muted">
          <Near at={order.status === "CREATED" ? order.expires_at : null} />
        </span>
      </Cell>
      <Cell label="Created">
        <span class="muted">
          <Near at={order.created_at} testId="created-at" />
        </span>
      </Cell>
    </tr>
  );
}
