/** While the bank decides. */
import { useEffect, useState } from "preact/hooks";
import { bankPageOf, type Checkout } from "../state/checkout.ts";
import { useTexts } from "../texts/language.ts";
import { PanelTitle } from "../ui/panel-title.tsx";

const LONG_MS = 12_000;

/** `framed`: the bank's page opens in a tab of its own, for no bank may be framed. */
export function Processing({ state, framed }: { state: Checkout; framed: boolean }) {
  const texts = useTexts();
  const shown = state.screen === "processing";
  const page = bankPageOf(state);
  const long = useLong(shown && !page);
  const waiting = state.payment && texts.methods[state.payment.method]?.waiting;
  return (
    <div class="panel" data-test-id="processing-state" hidden={!shown}>
      <span class="spinner" aria-hidden="true" />
      <PanelTitle shown={shown}>
        <span data-test-id="processing-message">{page ? texts.bank_title : texts.processing}</span>
      </PanelTitle>
      {waiting && !page && <p>{waiting}</p>}
      {page && (
        <a class="button" href={page} target={framed ? "_blank" : undefined} rel="noopener" data-test-id="bank-link">
          {texts.bank_continue}
        </a>
      )}
      <p class="muted">{page ? texts.bank_hint : long ? texts.processing_long : texts.processing_hint}</p>
    </div>
  );
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
