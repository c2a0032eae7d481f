/** While the bank decides. */
import { useEffect, useState } from "preact/hooks";
import type { Checkout } from "../state/checkout.ts";
import { useTexts } from "../texts/language.ts";
import { PanelTitle } from "../ui/panel-title.tsx";

const LONG_MS = 12_000;

export function Processing({ state }: { state: Checkout }) {
  const texts = useTexts();
  const shown = state.screen === "processing";
  const long = useLong(shown);
  const waiting = state.payment && texts.methods[state.payment.method]?.waiting;
  return (
    <div class="panel" data-test-id="processing-state" hidden={!shown}>
      <span class="spinner" aria-hidden="true" />
      <PanelTitle shown={shown}>
        <span data-test-id="processing-message">{texts.processing}</span>
      </PanelTitle>
      {waiting && <p>{waiting}</p>}
      <p class="muted">{long ? texts.processing_long : texts.processing_hint}</p>
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
