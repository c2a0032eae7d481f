/** A button's work: one at a time, its failure kept for the form, a second press while it runs ignored. */
import { useCallback, useRef, useState } from "preact/hooks";
import { type Failure, failureOfException } from "../api/failure.ts";

export interface Action<Arguments extends unknown[]> {
  run: (...given: Arguments) => Promise<void>;
  busy: boolean;
  failure: Failure | null;
  clear: () => void;
}

export function useAction<Arguments extends unknown[]>(
  work: (...given: Arguments) => Promise<unknown>,
): Action<Arguments> {
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Failure | null>(null);
  const running = useRef(false);
  const latest = useRef(work);
  latest.current = work;

  const run = useCallback(async (...given: Arguments) => {
    if (running.current) return;
    running.current = true;
    setBusy(true);
    setFailure(null);
    try {
      await latest.current(...given);
    } catch (error) {
      setFailure(failureOfException(error));
    } finally {
      running.current = false;
      setBusy(false);
    }
  }, []);
  const clear = useCallback(() => setFailure(null), []);
  return { run, busy, failure, clear };
}
