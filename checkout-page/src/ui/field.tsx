/** A labelled text field whose hint and fault are read out with it. */
import type { ComponentChildren, InputHTMLAttributes, Ref } from "preact";

interface Props extends InputHTMLAttributes<HTMLInputElement> {
  id: string;
  label: string;
  testId: string;
  fault?: string | null;
  hint?: ComponentChildren;
  /** A word at the end of the field itself. */
  badge?: string;
  inputRef?: Ref<HTMLInputElement>;
}

export function Field({ id, label, testId, fault, hint, badge, inputRef, ...input }: Props) {
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        {...input}
        id={id}
        ref={inputRef}
        data-test-id={testId}
        aria-invalid={fault ? "true" : undefined}
        aria-describedby={`${id}-badge ${id}-note`}
        autocapitalize="off"
        spellcheck={false}
      />
      <span id={`${id}-badge`} class="badge">
        {badge}
      </span>
      <span id={`${id}-note`} class={fault ? "note fault" : "note"}>
        {fault || hint}
      </span>
    </div>
  );
}
