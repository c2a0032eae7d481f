/** `<time>` elements: an instant, or its distance from now that keeps counting. */
import { useEffect, useState } from "preact/hooks";
import { momentText, nearText } from "./moment.ts";

export function Moment({ at, testId }: { at: string | null; testId?: string }) {
  if (at === null)
    return (
      <span class="muted" data-test-id={testId}>
        –
      </span>
    );
  return (
    <time dateTime={at} title={at} data-test-id={testId}>
      {momentText(at)}
    </time>
  );
}

export function Near({ at, testId }: { at: string | null; testId?: string }) {
  const now = useNow();
  if (at === null)
    return (
      <span class="muted" data-test-id={testId}>
        –
      </span>
    );
  return (
    <time dateTime={at} title={`${momentText(at)} (${at})`} data-test-id={testId}>
      {nearText(at, now)}
    </time>
  );
}

const TICK_MS = 5_000;

function useNow(): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), TICK_MS);
    return () => clearInterval(timer);
  }, []);
  return now;
}
