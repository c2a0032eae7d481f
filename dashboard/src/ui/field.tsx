/** Labelled inputs. A problem is tied to its field by `aria-describedby` and announced by the form. */
import type { ComponentChildren, JSX } from "preact";
import { useId } from "preact/hooks";

interface Common {
  label: string;
  hint?: ComponentChildren;
  problem?: string | null;
  testId?: string;
}

type InputProps = Common &
  Omit<JSX.IntrinsicElements["input"], "label" | "id" | "onInput"> & {
    value: string;
    onValue: (value: string) => void;
  };

export function Field({ label, hint, problem, testId, value, onValue, ...input }: InputProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        {...input}
        id={id}
        value={value}
        data-test-id={testId}
        aria-invalid={problem ? true : undefined}
        aria-describedby={hint || problem ? `${id}-note` : undefined}
        onInput={(event) => onValue(event.currentTarget.value)}
      />
      <FieldNote id={id} hint={hint} problem={problem} />
    </div>
  );
}

type SelectProps = Common & {
  value: string;
  onValue: (value: string) => void;
  options: readonly (readonly [value: string, text: string])[];
};

export function Select({ label, hint, problem, testId, value, onValue, options }: SelectProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select
        id={id}
        value={value}
        data-test-id={testId}
        aria-describedby={hint || problem ? `${id}-note` : undefined}
        onChange={(event) => onValue(event.currentTarget.value)}
      >
        {options.map(([option, text]) => (
          <option key={option} value={option} selected={option === value}>
            {text}
          </option>
        ))}
      </select>
      <FieldNote id={id} hint={hint} problem={problem} />
    </div>
  );
}

type TextAreaProps = Common & { value: string; onValue: (value: string) => void; rows: number; placeholder?: string };

export function TextArea({ label, hint, problem, testId, value, onValue, rows, placeholder }: TextAreaProps) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <textarea
        id={id}
        rows={rows}
        value={value}
        placeholder={placeholder}
        spellcheck={false}
        data-test-id={testId}
        aria-describedby={hint || problem ? `${id}-note` : undefined}
        onInput={(event) => onValue(event.currentTarget.value)}
      />
      <FieldNote id={id} hint={hint} problem={problem} />
    </div>
  );
}

type CheckProps = {
  label: ComponentChildren;
  checked: boolean;
  onChecked: (checked: boolean) => void;
  disabled?: boolean;
};

export function Check({ label, checked, onChecked, disabled }: CheckProps) {
  return (
    <label class="check">
      <input
        type="checkbox"
        checked={checked}
        disabled={disabled}
        onChange={(event) => onChecked(event.currentTarget.checked)}
      />
      <span>{label}</span>
    </label>
  );
}

function FieldNote({ id, hint, problem }: { id: string; hint?: ComponentChildren; problem?: string | null }) {
  if (!hint && !problem) return null;
  return (
    <p id={`${id}-note`} class={problem ? "field-note bad" : "field-note"}>
      {problem || hint}
    </p>
  );
}
