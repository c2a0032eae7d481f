/** Text that can be copied with one press. */
import { announce } from "./announcer.tsx";
import { CopyIcon } from "./icons.tsx";

export async function copyText(text: string, label: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    announce(`${label} copied`);
  } catch {
    announce("The browser does not allow copying; select the text instead.");
  }
}

export function CopyButton({ text, label }: { text: string; label: string }) {
  return (
    <button
      type="button"
      class="icon-button"
      title={`Copy ${label}`}
      aria-label={`Copy ${label}`}
      onClick={() => copyText(text, label)}
    >
      <CopyIcon />
    </button>
  );
}

/** An identifier in full, with its copy button. */
export function CopyableId({ id, label, testId }: { id: string; label: string; testId?: string }) {
  return (
    <span class="copyable">
      <code data-test-id={testId}>{id}</code>
      <CopyButton text={id} label={label} />
    </span>
  );
}
