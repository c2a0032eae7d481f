/** Text to be read or copied literally: JSON, a body, a command. Always text, never markup. */
import { CopyButton } from "./copy.tsx";

export function CodeBlock({ text, label, testId }: { text: string; label: string; testId?: string }) {
  return (
    <div class="code-block">
      {/* Scrollable, so it must be reachable by keyboard (WCAG 2.1.1). */}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrollable region needs focus to be scrolled by keyboard */}
      <section tabIndex={0} aria-label={label}>
        <pre>
          <code data-test-id={testId}>{text}</code>
        </pre>
      </section>
      <CopyButton text={text} label={label} />
    </div>
  );
}

export function jsonText(value: unknown): string {
  return typeof value === "string" ? prettyJson(value) : JSON.stringify(value, null, 2);
}

function prettyJson(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
