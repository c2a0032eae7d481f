/** One filter of a list: a choice of known values, or a typed one. */
import { useEffect, useId, useState } from "preact/hooks";
import { currencyCode } from "../query/filters.ts";

interface ChoiceProps {
  label: string;
  value: string;
  options: readonly (readonly [value: string, text: string])[];
  onValue: (value: string) => void;
}

export function Choice({ label, value, options, onValue }: ChoiceProps) {
  const id = useId();
  return (
    <span class={value === "" ? "filter" : "filter set"}>
      <label for={id}>{label}</label>
      <select id={id} value={value} onChange={(event) => onValue(event.currentTarget.value)}>
        <option value="">any</option>
        {options.map(([option, text]) => (
          <option key={option} value={option}>
            {text}
          </option>
        ))}
      </select>
    </span>
  );
}

interface EntryProps {
  label: string;
  type: "date" | "text";
  inputMode?: "decimal" | "text";
  value: string;
  onValue: (value: string) => void;
}

/** Taken over when the field is left or Enter is pressed, not with every key. */
export function Entry({ label, type, inputMode = "decimal", value, onValue }: EntryProps) {
  const id = useId();
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  return (
    <span class={value === "" ? "filter" : "filter set"}>
      <label for={id}>{label}</label>
      <input
        id={id}
        type={type}
        inputMode={type === "text" ? inputMode : undefined}
        placeholder={type === "text" ? "any" : undefined}
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
        onChange={(event) => event.currentTarget.value !== value && onValue(event.currentTarget.value)}
      />
    </span>
  );
}

interface CurrencyEntryProps {
  currency: string | null;
  onCurrency: (currency: string | null) => void;
}

/** Text that is not a currency code counts as no filter. */
export function CurrencyEntry({ currency, onCurrency }: CurrencyEntryProps) {
  return (
    <Entry
      label="Currency"
      type="text"
      inputMode="text"
      value={currency ?? ""}
      onValue={(text) => onCurrency(currencyCode(text.trim()))}
    />
  );
}
