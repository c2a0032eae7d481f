/** Some of what the API shows changes without a live event: look at it again now and then. */
import { useEffect, useRef } from "preact/hooks";

/** Calls `look` every `everyMs`, first after `firstMs`; not while `paused`, nor while nobody sees the page. */
export function useRepeating(look: () => void, everyMs: number, { firstMs = everyMs, paused = false } = {}): void {
  const latest = useRef(look);
  latest.current = look;
  useEffect(() => {
    if (paused) return;
    let timer: number;
    const repeat = () => {
      timer = window.setTimeout(repeat, everyMs);
      if (!document.hidden) latest.current();
    };
    timer = window.setTimeout(repeat, firstMs);
    return () => clearTimeout(timer);
  }, [everyMs, firstMs, paused]);
}
