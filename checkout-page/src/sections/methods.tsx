/** The two ways to pay, as a pair of toggles; none is chosen at first. */
import type { Method } from "sdk/types";
import { useTexts } from "../texts/language.ts";

interface Props {
  offered: readonly Method[];
  chosen: Method | null;
  busy: boolean;
  onChoose(method: Method): void;
}

const PATHS: Readonly<Record<Method, string>> = {
  upi: "M4 5.5 9 12l-5 6.5M11 5.5 16 12l-5 6.5M16.5 5.5h4M16.5 18.5h4",
  card: "M3 6.5h18v11H3zM3 10.2h18M6.5 14.3h4",
};

export function Methods({ offered, chosen, busy, onChoose }: Props) {
  const texts = useTexts();
  return (
    <fieldset class="methods" data-test-id="payment-methods" aria-labelledby="choose">
      {(["upi", "card"] as const).map((method) => (
        <button
          key={method}
          type="button"
          class="method"
          data-test-id={`method-${method}`}
          aria-pressed={chosen === method}
          aria-controls={`${method}-form`}
          disabled={busy}
          hidden={!offered.includes(method)}
          onClick={() => onChoose(method)}
        >
          <svg class="method-icon" viewBox="0 0 24 24" aria-hidden="true">
            <path d={PATHS[method]} />
          </svg>
          <span>
            <span class="method-name">{texts[method]}</span>
            <span class="method-hint">{texts[`${method}_hint`]}</span>
          </span>
        </button>
      ))}
    </fieldset>
  );
}
