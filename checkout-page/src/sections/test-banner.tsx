/** Announces test mode, and fills in an instrument whose outcome is known. */
import type { Outcome } from "../state/drafts.ts";
import { useTexts } from "../texts/language.ts";

interface Props {
  /** `reserved`: their place is kept, so that nothing moves when they come. */
  tools: "shown" | "reserved" | "none";
  outcome: Outcome;
  onOutcome(outcome: Outcome): void;
  onFill(): void;
}

export function TestBanner({ tools, outcome, onOutcome, onFill }: Props) {
  const texts = useTexts();
  return (
    <header class="banner" data-test-id="test-mode-banner">
      <span>{texts.test_mode}</span>
      {tools !== "none" && (
        <span class={tools === "shown" ? "banner-tools" : "banner-tools unseen"}>
          <label>
            <span class="visually-hidden">{texts.test_outcome}</span>
            <select
              data-test-id="test-outcome"
              value={outcome}
              onChange={(event) => onOutcome(event.currentTarget.value as Outcome)}
            >
              {Object.entries(texts.outcomes).map(([one, name]) => (
                <option key={one} value={one}>
                  {name}
                </option>
              ))}
            </select>
          </label>
          <button type="button" data-test-id="fill-test-data" onClick={onFill}>
            {texts.test_fill}
          </button>
        </span>
      )}
    </header>
  );
}
