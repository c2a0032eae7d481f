/** One object from the API: loading, ready or failed; a reload keeps the shown value. */
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { type Failure, failureOfException } from "../api/failure.ts";

export type ResourceState<Value> =
  | { status: "loading" }
  | { status: "ready"; value: Value }
  | { status: "error"; failure: Failure };

export interface Resource<Value> {
  state: ResourceState<Value>;
  /** The value, even while it is fetched again. */
  value: Value | null;
  reload: () => void;
  change: (value: Value) => void;
}

export function useResource<Value>(key: string, load: (signal: AbortSignal) => Promise<Value>): Resource<Value> {
  const [state, setState] = useState<ResourceState<Value>>({ status: "loading" });
  const loader = useRef(load);
  loader.current = load;
  const running = useRef<AbortController | null>(null);

  const start = useCallback((keep: boolean) => {
    running.current?.abort();
    const controller = new AbortController();
    running.current = controller;
    setState((before) => (keep && before.status === "ready" ? before : { status: "loading" }));
    loader.current(controller.signal).then(
      (value) => !controller.signal.aborted && setState({ status: "ready", value }),
      (error: unknown) => {
        if (!controller.signal.aborted) setState({ status: "error", failure: failureOfException(error) });
      },
    );
  }, []);

  useEffect(() => {
    start(false);
    return () => running.current?.abort();
  }, [key, start]);
  const reload = useCallback(() => start(true), [start]);
  const change = useCallback((value: Value) => setState({ status: "ready", value }), []);
  return { state, value: state.status === "ready" ? state.value : null, reload, change };
}
