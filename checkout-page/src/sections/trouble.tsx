/** Every screen with a problem: a title, one sentence, and the next step if there is one. */
import type { Order } from "../flow/api.ts";
import { type Checkout, moneyIn } from "../state/checkout.ts";
import type { Texts } from "../texts/en.ts";
import { useTexts } from "../texts/language.ts";
import { PanelTitle } from "../ui/panel-title.tsx";
import { ShopButton } from "../ui/shop-button.tsx";
import { moneyNote } from "./money-note.ts";

interface Props {
  state: Checkout;
  shop: string | null;
  onRetry(): void;
  onReload(): void;
}

export function Trouble({ state, shop, onRetry, onReload }: Props) {
  const texts = useTexts();
  const message = troubleOf(state, texts);
  const act = message?.next === "reload" ? onReload : onRetry;
  return (
    <div class="panel" data-test-id="error-state" hidden={!message}>
      <svg class={message?.calm ? "mark wait" : "mark bad"} viewBox="0 0 48 48" aria-hidden="true">
        <circle cx="24" cy="24" r="22" />
        <path d="M24 14v13M24 33v.5" />
      </svg>
      <PanelTitle shown={message !== null}>{message?.title}</PanelTitle>
      <p data-test-id="error-message">{message?.text}</p>
      {message?.hint && (
        <p class="muted" data-test-id="money-note">
          {message.hint}
        </p>
      )}
      {message?.paymentId && (
        <p class="muted small">
          {texts.payment_id} <span class="mono">{message.paymentId}</span>
        </p>
      )}
      <button type="button" class="button" data-test-id="retry-button" hidden={!message?.next} onClick={act}>
        {texts.retry}
      </button>
      {shop && message && (
        <ShopButton shop={shop} name={state.order?.merchant.name} quiet={message.next !== undefined} />
      )}
    </div>
  );
}

interface Message {
  title: string;
  text: string;
  /** What is known about the money. */
  hint?: string;
  /** If the payer may need it: the money is not settled yet. */
  paymentId?: string;
  next?: "retry" | "reload";
  /** Nothing failed; something is awaited. */
  calm?: boolean;
}

export function troubleOf(state: Checkout, texts: Texts): Message | null {
  const { screen, problem, order } = state;
  switch (screen) {
    case "failed": {
      if (!problem) return null;
      const unknown =
        problem.retryable && ["unreachable", "offline", "busy", "SERVICE_UNAVAILABLE"].includes(problem.code);
      if (unknown) return { title: texts.unknown_title, text: texts.unknown, next: "retry", calm: true };
      return {
        title: texts.failed_title,
        text: texts.declines[problem.code] ?? problem.text,
        hint: texts.not_sent,
        ...moneyPart(state, texts),
        next: problem.retryable ? "retry" : undefined,
      };
    }
    case "offline":
      return { title: texts.offline_title, text: texts.offline, next: "reload", calm: true };
    case "server_down":
      return { title: texts.server_down_title, text: texts.server_down, next: "reload", calm: true };
    case "expired": {
      const [title, text] = isCancelled(order) ? texts.cancelled : texts.expired;
      return { title, text, ...moneyPart(state, texts), calm: true };
    }
    case "not_found":
      return { title: texts.not_found_title, text: texts.not_found };
    case "refused":
      return { title: texts.refused_title, text: texts.refused };
    default:
      return null;
  }
}

function isCancelled(order: Order | null): boolean {
  const status: string | undefined = order?.status;
  return status === "CANCELLED";
}

/** Nothing without a payment. */
function moneyPart(state: Checkout, texts: Texts): Pick<Message, "hint" | "paymentId"> {
  const money = moneyIn(state);
  if (!money) return {};
  const settled = money.state === "not_taken";
  return { hint: moneyNote(state, texts) ?? undefined, paymentId: settled ? undefined : state.payment?.id };
}
