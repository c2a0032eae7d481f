/** Labelled inputs beside the shared text field, with the same note. */
import type { ComponentChildren } from "preact";
import { useId } from "preact/hooks";
import { FieldNote } from "web-shared/field";

interface Common {
  label: string;
  hint?: ComponentChildren;
  problem?: string | null;
  testId?: string;
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
        aria-invalid={problem ? true : undefined}
        aria-describedby={`${id}-note`}
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
        aria-invalid={problem ? true : undefined}
        aria-describedby={`${id}-note`}
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
