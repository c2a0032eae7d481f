/** A labelled text field. Its note is read together with it, and a problem is announced the moment it appears. */
import type { ComponentChildren, InputHTMLAttributes, Ref } from "preact";
import { useId } from "preact/hooks";

export interface FieldProps extends InputHTMLAttributes<HTMLInputElement> {
  label: string;
  /** Made up where nothing has to find the input. */
  id?: string;
  testId?: string;
  hint?: ComponentChildren;
  problem?: string | null;
  /** A word at the end of the input itself. */
  badge?: string;
  inputRef?: Ref<HTMLInputElement>;
  onValue?: (value: string) => void;
}

export function Field({ label, id, testId, hint, problem, badge, inputRef, onValue, ...input }: FieldProps) {
  const made = useId();
  const name = id ?? made;
  return (
    <div class="field">
      <label for={name}>{label}</label>
      <input
        autocapitalize="off"
        spellcheck={false}
        onInput={(event) => onValue?.(event.currentTarget.value)}
        {...input}
        id={name}
        ref={inputRef}
        data-test-id={testId}
        aria-invalid={problem ? true : undefined}
        aria-describedby={badge === undefined ? `${name}-note` : `${name}-badge ${name}-note`}
      />
      {badge !== undefined && (
        <span id={`${name}-badge`} class="field-badge">
          {badge}
        </span>
      )}
      <FieldNote id={name} hint={hint} problem={problem} />
    </div>
  );
}

/** The alert is there before it has a text: a screen reader announces only changes in it. */
export function FieldNote({ id, hint, problem }: { id: string; hint?: ComponentChildren; problem?: string | null }) {
  return (
    <div id={`${id}-note`} class="field-note">
      <span role="alert">{problem}</span>
      {!problem && hint && <span>{hint}</span>}
    </div>
  );
}
