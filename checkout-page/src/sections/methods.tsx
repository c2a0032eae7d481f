/** The ways to pay, as toggles; none is chosen at first. */
import type { Method } from "sdk/types";
import { METHOD_NAMES, METHODS } from "web-shared/methods";
import { useTexts } from "../texts/language.ts";

interface Props {
  offered: readonly Method[];
  chosen: Method | null;
  busy: boolean;
  onChoose(method: Method): void;
}

export function Methods({ offered, chosen, busy, onChoose }: Props) {
  const texts = useTexts();
  return (
    <fieldset class="methods" data-test-id="payment-methods" aria-labelledby="choose">
      {METHOD_NAMES.map((method) => (
        <button
          key={method}
          type="button"
          class="method"
          data-test-id={`method-${method}`}
          aria-pressed={chosen === method}
          aria-controls={METHODS[method].form}
          disabled={busy}
          hidden={!offered.includes(method)}
          onClick={() => onChoose(method)}
        >
          <svg class="method-icon" viewBox="0 0 24 24" aria-hidden="true">
            <path d={METHODS[method].icon} />
          </svg>
          <span>
            <span class="method-name">{texts.methods[method].label}</span>
            <span class="method-hint">{texts.methods[method].hint}</span>
          </span>
        </button>
      ))}
    </fieldset>
  );
}
