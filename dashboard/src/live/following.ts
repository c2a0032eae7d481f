/** Consequences of an event appear a little later, without an event of their own: poll a few times after each. */
import { useCallback, useEffect, useRef } from "preact/hooks";

const FOLLOW_MS = [300, 1_500, 5_000] as const;

/** Returns the function to call when something happened; calls closer than the polls restart them. */
export function useFollowing(look: () => void): () => void {
  const timers = useRef<number[]>([]);
  const latest = useRef(look);
  latest.current = look;
  const stop = useCallback(() => timers.current.forEach(clearTimeout), []);
  useEffect(() => stop, [stop]);
  return useCallback(() => {
    stop();
    timers.current = FOLLOW_MS.map((delay) => window.setTimeout(() => latest.current(), delay));
  }, [stop]);
}
