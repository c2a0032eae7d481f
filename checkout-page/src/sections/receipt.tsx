/** Success, and the same receipt for an order that was paid elsewhere. Printing prints the receipt alone. */
import { formatMoney, formatTime } from "web-shared/format";
import { formatInstrument } from "web-shared/methods";
import { type Checkout, moneyIn } from "../state/checkout.ts";
import type { Texts, TitleAndText } from "../texts/en.ts";
import { useTexts } from "../texts/language.ts";
import { PanelTitle } from "../ui/panel-title.tsx";
import { ShopButton } from "../ui/shop-button.tsx";
import { moneyNote } from "./money-note.ts";

interface Props {
  state: Checkout;
  amount: string;
  returning: boolean;
  /** Where a payer continues if this page fills the window. */
  shop: string | null;
  onDone?: () => void;
}

export function Receipt({ state, amount, returning, shop, onDone }: Props) {
  const texts = useTexts();
  const { screen, order, payment } = state;
  const shown = screen === "success" || screen === "paid";
  const at = payment?.updated_at ?? payment?.created_at;
  const money = moneyIn(state);
  const reversed = money?.state === "reversed";
  const kept = money !== null && (money.state === "paid" || money.state.startsWith("part_"));
  return (
    <div class="panel receipt" data-test-id="success-state" hidden={!shown}>
      <svg class={kept ? "mark ok" : "mark wait"} viewBox="0 0 48 48" aria-hidden="true">
        <circle cx="24" cy="24" r="22" />
        <path d={kept ? "m15 24.5 6.5 6.5L33.5 18" : "M33 24H15m7-7-7 7 7 7"} />
      </svg>
      <PanelTitle shown={shown}>{titleOf(state, texts)}</PanelTitle>
      <p class="muted" data-test-id="success-message">
        {messageOf(state, texts)}
      </p>
      <dl class="facts ruled">
        <dt>{texts.amount}</dt>
        <dd class="strong">{amount}</dd>
        <Back
          label={reversed ? texts.amount_returned : texts.refunded}
          testId="amount-refunded"
          minor={money?.returned}
          currency={payment?.currency}
        />
        <Back
          label={texts.refund_pending}
          testId="refund-pending"
          minor={money?.returning}
          currency={payment?.currency}
        />
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
        {shop && shown && <ShopButton shop={shop} name={order?.merchant.name} />}
        <button type="button" class="button quiet" onClick={() => print()}>
          {texts.print}
        </button>
      </div>
      {returning && <p class="muted small">{texts.returning(order?.merchant.name ?? "")}</p>}
    </div>
  );
}

interface BackProps {
  label: string;
  testId: string;
  minor: number | undefined;
  currency: string | undefined;
}

/** A row for money that was returned, or is on its way; none if there is no such money. */
function Back({ label, testId, minor, currency }: BackProps) {
  if (!minor) return null;
  return (
    <>
      <dt>{label}</dt>
      <dd class="strong" data-test-id={testId}>
        {formatMoney(minor, currency)}
      </dd>
    </>
  );
}

/** The heading of the receipt. */
export function titleOf(state: Checkout, texts: Texts): string {
  const money = moneyIn(state);
  const title = voidWords(state, texts)?.[0] ?? (money && texts.titles[money.state]);
  return title ?? (state.screen === "paid" ? texts.paid_title : texts.success_title);
}

/** What happened to the money, below the heading. */
export function messageOf(state: Checkout, texts: Texts): string {
  const note = moneyNote(state, texts);
  const reason = voidWords(state, texts)?.[1];
  if (reason) return note ? `${reason} ${note}` : reason;
  return note ?? (state.screen === "paid" ? texts.paid : texts.success);
}

/** Why the shop did not keep the payment; null if it did, and if the bank has reversed the payment itself. */
function voidWords({ payment }: Checkout, texts: Texts): TitleAndText | null {
  return payment?.void_reason && !payment.reversed ? texts.voided[payment.void_reason] : null;
}
