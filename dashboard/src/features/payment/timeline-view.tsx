/** The payment's one timeline, with the time since its first moment. */
import { useState } from "preact/hooks";
import type { Timeline } from "web-shared/wire";
import { CodeBlock, jsonText } from "../../ui/code-block.tsx";
import { momentText, offsetText } from "../../ui/moment.ts";
import { type Moment, momentsOf } from "./timeline.ts";

export function TimelineView({ timeline }: { timeline: Timeline }) {
  const moments = momentsOf(timeline);
  const start = moments[0]?.at ?? "";
  return (
    <ol class="timeline" data-test-id="timeline">
      {moments.map((moment) => (
        <MomentItem key={moment.key} moment={moment} start={start} />
      ))}
    </ol>
  );
}

function MomentItem({ moment, start }: { moment: Moment; start: string }) {
  const [open, setOpen] = useState(false);
  return (
    <li data-test-id="timeline-item" data-kind={moment.kind}>
      <time class="mono muted" dateTime={moment.at} title={`${momentText(moment.at)} (${moment.at})`}>
        {moment.kind === "bank" ? "" : offsetText(moment.at, start)}
      </time>
      <span class={`dot ${moment.tone} ${moment.kind}`} aria-hidden="true" />
      <div class="moment">
        <div class="moment-line">
          {moment.href ? <a href={moment.href}>{moment.title}</a> : <span class="moment-title">{moment.title}</span>}
          {moment.facts.map((fact) => (
            <span key={fact} class="small muted fact">
              {fact}
            </span>
          ))}
          <button
            type="button"
            class="link-button small"
            aria-expanded={open}
            aria-label={`${open ? "less" : "more"} about ${moment.title}`}
            onClick={() => setOpen(!open)}
          >
            {open ? "less" : "more"}
          </button>
        </div>
        {open && <CodeBlock text={jsonText(moment.raw)} label={`Record of ${moment.title}`} />}
      </div>
    </li>
  );
}
