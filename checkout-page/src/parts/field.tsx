/** A labelled text field whose hint and fault are read out with it. */
import type { ComponentChildren, InputHTMLAttributes, Ref } from "preact";

interface Props extends InputHTMLAttributes<HTMLInputElement> {
  id: string;
  label: string;
  testId: string;
  fault?: string | null;
  hint?: ComponentChildren;
  inputRef?: Ref<HTMLInputElement>;
}

export function Field({ id, label, testId, fault, hint, inputRef, ...input }: Props) {
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input
        {...input}
        id={id}
        ref={inputRef}
        data-test-id={testId}
        aria-invalid={fault ? "true" : undefined}
        aria-describedby={`${id}-note`}
        autocapitalize="off"
        spellcheck={false}
      />
      <span id={`${id}-note`} class={fault ? "note fault" : "note"}>
        {fault || hint}
      </span>
    </div>
  );
}
