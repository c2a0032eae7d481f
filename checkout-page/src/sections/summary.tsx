/** Who is paid, how much, for which order. */
import { formatTime } from "web-shared/format";
import type { Order } from "../flow/api.ts";
import { useTexts } from "../texts/language.ts";

interface Props {
  order: Order | null;
  orderId: string;
  amount: string;
  paid: boolean;
  /** All of it was returned. */
  returned: boolean;
  /** It can still be paid. */
  payable: boolean;
  /** Still on its way: grey bars stand where name and amount will be. */
  loading: boolean;
}

export function Summary({ order, orderId, amount, paid, returned, payable, loading }: Props) {
  const texts = useTexts();
  const name = order?.merchant.name ?? "";
  return (
    <aside class="summary" data-test-id="order-summary" aria-busy={loading}>
      <p class="brand" hidden={!order && !loading}>
        <span class="logo" aria-hidden="true">
          {[...name][0]?.toUpperCase()}
        </span>
        <span class={order ? "" : "bone"}>{name}</span>
      </p>
      <div hidden={!order && !loading}>
        <p class="muted small">{returned ? texts.amount_returned : paid ? texts.amount_paid : texts.amount_to_pay}</p>
        <p class={order ? "amount" : "amount bone"} data-test-id="order-amount">
          {amount}
        </p>
      </div>
      {order?.description && <p data-test-id="order-description">{order.description}</p>}
      <dl class="facts">
        <dt>{texts.order}</dt>
        <dd class="mono" data-test-id="order-id">
          {order?.id ?? orderId}
        </dd>
        {order?.receipt && (
          <>
            <dt>{texts.receipt}</dt>
            <dd>{order.receipt}</dd>
          </>
        )}
        {payable && order?.expires_at && (
          <>
            <dt>{texts.pay_by}</dt>
            <dd data-test-id="expires-at">
              <time dateTime={order.expires_at}>{formatTime(order.expires_at)}</time>
            </dd>
          </>
        )}
      </dl>
    </aside>
  );
}
