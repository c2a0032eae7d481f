/** The last result of the stack's own audit, for the operator. Nothing is drawn if the API does not show it. */
import type { Audit } from "web-shared/wire";
import { useResource } from "../../list/resource.ts";
import { useRepeating } from "../../live/repeating.ts";
import { useGateway } from "../../session/session-context.tsx";
import { auditSentence, differingOf } from "./audit-wording.ts";

/** The sentence counts in minutes. */
const AGAIN_MS = 60_000;

export function AuditLine() {
  const { api } = useGateway();
  const { value, reload } = useResource("audit", (signal) => api.get<Audit>("/operations/audit", {}, signal));
  useRepeating(reload, AGAIN_MS);
  if (!value) return null;
  const differing = differingOf(value);
  const sentence = auditSentence(value, Date.now());
  if (differing.length === 0) {
    return (
      <p class={value.status === "late" ? "notice" : "muted small"} data-test-id="audit-line">
        {sentence}
      </p>
    );
  }
  return (
    <div class="notice stack" data-test-id="audit-line">
      <p>{sentence}</p>
      <ul>
        {differing.map(({ kind, text, command, advice }) => (
          <li key={kind}>
            {text}: {command ? <code class="mono">{command}</code> : advice}
          </li>
        ))}
      </ul>
    </div>
  );
}
