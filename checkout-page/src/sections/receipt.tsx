/** Success, and the same receipt for an order that was paid elsewhere. Printing prints the receipt alone. */
import { formatMoney, formatTime } from "web-shared/format";
import { formatInstrument } from "web-shared/methods";
import { type Checkout, isRefunded } from "../state/checkout.ts";
import type { Texts } from "../texts/en.ts";
import { useTexts } from "../texts/language.ts";
import { PanelTitle } from "../ui/panel-title.tsx";

interface Props {
  state: Checkout;
  amount: string;
  returning: boolean;
  onDone?: () => void;
}

export function Receipt({ state, amount, returning, onDone }: Props) {
  const texts = useTexts();
  const { screen, order, payment } = state;
  const paidElsewhere = screen === "paid";
  const shown = screen === "success" || paidElsewhere;
  const at = payment?.updated_at ?? payment?.created_at;
  const refunded = payment && payment.amount_refunded > 0 ? formatMoney(payment.amount_refunded, payment.currency) : "";
  const whole = isRefunded(payment);
  return (
    <div class="panel receipt" data-test-id="success-state" hidden={!shown}>
      <svg class="mark ok" viewBox="0 0 48 48" aria-hidden="true">
        <circle cx="24" cy="24" r="22" />
        <path d="m15 24.5 6.5 6.5L33.5 18" />
      </svg>
      <PanelTitle shown={shown}>{titleOf(state, texts)}</PanelTitle>
      <p class="muted" data-test-id="success-message">
        {whole ? texts.refunded_whole(refunded) : paidElsewhere ? texts.paid : texts.success}
      </p>
      <dl class="facts ruled">
        <dt>{texts.amount}</dt>
        <dd class="strong">{amount}</dd>
        {refunded && (
          <>
            <dt>{texts.refunded}</dt>
            <dd class="strong" data-test-id="amount-refunded">
              {refunded}
            </dd>
          </>
        )}
        <dt>{texts.paid_to}</dt>
        <dd>{order?.merchant.name}</dd>
        <dt>{texts.method}</dt>
        <dd>{payment && formatInstrument(payment)}</dd>
        <dt>{texts.date}</dt>
        <dd>{at && formatTime(at)}</dd>
        <dt>{texts.order}</dt>
        <dd class="mono">{order?.id}</dd>
        <dt>{texts.payment_id}</dt>
        <dd class="mono" data-test-id="payment-id">
          {payment?.id}
        </dd>
      </dl>
      <div class="actions">
        {onDone && (
          <button type="button" class="button" onClick={onDone}>
            {texts.done}
          </button>
        )}
        <button type="button" class="button quiet" onClick={() => print()}>
          {texts.print}
        </button>
      </div>
      {returning && <p class="muted small">{texts.returning(order?.merchant.name ?? "")}</p>}
    </div>
  );
}

/** The heading of the receipt, and what is announced with it. */
export function titleOf({ screen, payment }: Checkout, texts: Texts): string {
  if (isRefunded(payment)) return texts.refunded_title;
  return screen === "paid" ? texts.paid_title : texts.success_title;
}
