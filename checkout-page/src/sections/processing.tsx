/** While the bank decides: the payer's step, and the way to another payment. */
import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { appLinkOf, bankPageOf, type Checkout } from "../state/checkout.ts";
import { useTexts } from "../texts/language.ts";
import { PanelTitle } from "../ui/panel-title.tsx";
import type { AppStepProps } from "./app-step.tsx";

const LONG_MS = 12_000;

interface Props {
  state: Checkout;
  /** The bank's page opens in a separate tab, because no bank may be framed. */
  framed: boolean;
  amount: string;
  onLeave(): void;
  onDecide(approved: boolean): void;
}

export function Processing({ state, framed, amount, onLeave, onDecide }: Props) {
  const texts = useTexts();
  const { payment, order } = state;
  const shown = state.screen === "processing";
  const page = bankPageOf(state);
  const link = appLinkOf(state);
  const long = useLong(shown && !page && !link);
  const cancellation = shown && payment?.cancellation;
  const scan = payment?.flow === "qr";
  const waiting = payment && !scan && texts.methods[payment.method]?.waiting;
  const title = page ? texts.bank_title : link && scan ? texts.scan : texts.processing;
  const hint = page
    ? texts.bank_hint
    : link && scan
      ? texts.scan_hint
      : long
        ? texts.processing_long
        : texts.processing_hint;
  return (
    <div class="panel" data-test-id="processing-state" hidden={!shown}>
      <span class="spinner" aria-hidden="true" />
      <PanelTitle shown={shown}>
        <span data-test-id="processing-message">{title}</span>
      </PanelTitle>
      {waiting && !page && <p>{waiting}</p>}
      {page && (
        <a class="button" href={page} target={framed ? "_blank" : undefined} rel="noopener" data-test-id="bank-link">
          {texts.bank_continue}
        </a>
      )}
      {link && (
        <LazyAppStep link={link} scan={scan} amount={amount} onDecide={order?.test_mode ? onDecide : undefined} />
      )}
      <p class="muted">{hint}</p>
      <p role="status" data-test-id="leaving-note" hidden={!cancellation}>
        {cancellation && texts.leaving[cancellation]}
      </p>
      {(page || link || long) && !cancellation && (
        <button type="button" class="button quiet" data-test-id="another-way-button" onClick={onLeave}>
          {texts.another_way}
        </button>
      )}
    </div>
  );
}

/** Without the chunk the payment can still be left, or found in the app. */
function LazyAppStep(props: AppStepProps) {
  const [Step, setStep] = useState<ComponentType<AppStepProps> | null>(null);
  useEffect(() => {
    let mounted = true;
    import("./app-step.tsx").then(
      ({ AppStep }) => mounted && setStep(() => AppStep),
      () => {},
    );
    return () => {
      mounted = false;
    };
  }, []);
  return Step && <Step {...props} />;
}

function useLong(shown: boolean): boolean {
  const [long, setLong] = useState(false);
  useEffect(() => {
    setLong(false);
    if (!shown) return;
    const timer = setTimeout(() => setLong(true), LONG_MS);
    return () => clearTimeout(timer);
  }, [shown]);
  return long;
}
