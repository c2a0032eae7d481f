/** The words for the last audits: one sentence, and a repair for each kind of difference. */
import { formatAgo, formatCount } from "web-shared/format";
import type { Audit } from "web-shared/wire";

export interface Differing {
  kind: string;
  /** `2 × delivery missing` */
  text: string;
  /** A command to run; null if there is none. */
  command: string | null;
  /** Why there is no command; null if there is one. */
  advice: string | null;
}

const NO_COMMAND = "no command: ";

/** `Audit: 0 differences, everything compared 3 minutes ago` */
export function auditSentence(audit: Audit, now: number): string {
  const count = Object.values(audit.differences).reduce((sum, each) => sum + each, 0);
  if (audit.whole_audit_at === null) {
    return count === 0 ? "Audit: no full comparison yet" : `Audit: ${differences(count)}`;
  }
  const ago = formatAgo(audit.whole_audit_at, now);
  if (audit.status === "late") return `Audit: late, ${differences(count)} when everything was last compared ${ago}`;
  return `Audit: ${differences(count)}, everything compared ${ago}`;
}

/** The kinds that differ, in the API's order. */
export function differingOf(audit: Audit): Differing[] {
  return Object.entries(audit.differences).map(([kind, count]) => {
    const repair = audit.repair[kind] ?? `${NO_COMMAND}run gateway verify`;
    const advice = repair.startsWith(NO_COMMAND) ? repair.slice(NO_COMMAND.length) : null;
    const text = `${formatCount(count)} × ${kind.replaceAll("_", " ")}`;
    return { kind, text, command: advice === null ? repair : null, advice };
  });
}

function differences(count: number): string {
  return `${formatCount(count)} ${count === 1 ? "difference" : "differences"}`;
}
