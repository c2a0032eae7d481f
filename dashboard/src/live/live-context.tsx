/**
 * One EventSource for the whole dashboard. Hidden tabs close it after a while: a browser opens only six
 * connections to a host over HTTP/1.1, and a forgotten tab must not hold one indefinitely.
 */
import { type ComponentChildren, createContext } from "preact";
import { useContext, useEffect, useMemo, useReducer, useRef } from "preact/hooks";
import type { Change } from "../api/types.ts";
import { useGateway } from "../session/session-context.tsx";
import { type FeedState, reconnectDelayMs, reduceFeed } from "./feed.ts";

const HIDDEN_GRACE_MS = 60_000;
const SLOW_OPENING_MS = 1_000;

export interface LiveMessages {
  change: Change;
  /** Connected again after a gap: what is on screen may be old. */
  gap: null;
}
type Kind = keyof LiveMessages;
type Handler<K extends Kind> = (message: LiveMessages[K]) => void;

interface Live {
  state: FeedState;
  on<K extends Kind>(kind: K, handler: Handler<K>): () => void;
}

const LiveContext = createContext<Live>({ state: "paused", on: () => () => undefined });

export function useLiveState(): FeedState {
  return useContext(LiveContext).state;
}

/** Call `handler` with each message of `kind` while the component lives. */
export function useLive<K extends Kind>(kind: K, handler: Handler<K>): void {
  const live = useContext(LiveContext);
  const latest = useRef(handler);
  latest.current = handler;
  useEffect(() => live.on(kind, (message) => latest.current(message)), [live.on, kind]);
}

export function LiveProvider({ children }: { children: ComponentChildren }) {
  const { api } = useGateway();
  const [state, dispatch] = useReducer(reduceFeed, "connecting");
  const bus = useMemo(() => new Bus(), []);

  useEffect(() => {
    const connection = new Connection(api.url("/merchants/me/stream"), bus, dispatch);
    return () => connection.end();
  }, [api, bus]);
  const live = useMemo<Live>(() => ({ state, on: bus.on }), [state, bus]);
  return <LiveContext.Provider value={live}>{children}</LiveContext.Provider>;
}

class Bus {
  private readonly handlers = new Map<Kind, Set<(message: never) => void>>();

  readonly on = <K extends Kind>(kind: K, handler: Handler<K>): (() => void) => {
    const set = this.handlers.get(kind) ?? new Set();
    this.handlers.set(kind, set.add(handler));
    return () => set.delete(handler);
  };

  emit<K extends Kind>(kind: K, message: LiveMessages[K]): void {
    for (const handler of this.handlers.get(kind) ?? []) (handler as Handler<K>)(message);
  }
}

class Connection {
  private source: EventSource | null = null;
  private timer = 0;
  private failures = 0;
  private readonly requestedAt = performance.now();
  private opened = false;

  constructor(
    private readonly url: string,
    private readonly bus: Bus,
    private readonly dispatch: (action: { type: "opened" | "lost" | "hidden" | "shown" }) => void,
  ) {
    document.addEventListener("visibilitychange", this.visibilityChanged);
    this.open();
  }

  end(): void {
    document.removeEventListener("visibilitychange", this.visibilityChanged);
    this.close();
  }

  private open(): void {
    this.close();
    const source = new EventSource(this.url, { withCredentials: true });
    this.source = source;
    source.onopen = () => this.connected();
    source.onerror = () => this.lost(source);
    source.addEventListener("change", (event) => this.received(event));
  }

  private close(): void {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }

  private connected(): void {
    // Also the first time, where it took long enough for the lists to be older than the feed.
    if (this.opened || performance.now() - this.requestedAt > SLOW_OPENING_MS) this.bus.emit("gap", null);
    this.opened = true;
    this.failures = 0;
    this.dispatch({ type: "opened" });
  }

  /** The browser reconnects by itself (and resumes by its last id) unless the answer was an error. */
  private lost(source: EventSource): void {
    this.dispatch({ type: "lost" });
    if (source.readyState !== EventSource.CLOSED || source !== this.source) return;
    this.timer = window.setTimeout(() => this.open(), reconnectDelayMs(this.failures++, Math.random()));
  }

  private received(event: MessageEvent): void {
    try {
      this.bus.emit("change", JSON.parse(String(event.data)));
    } catch {
      // A message that is not JSON is ignored; the next reload of the list shows the current state.
    }
  }

  private readonly visibilityChanged = (): void => {
    clearTimeout(this.timer);
    if (document.hidden) {
      this.timer = window.setTimeout(() => {
        this.close();
        this.dispatch({ type: "hidden" });
      }, HIDDEN_GRACE_MS);
    } else if (!this.source || this.source.readyState === EventSource.CLOSED) {
      this.dispatch({ type: "shown" });
      this.open();
    }
  };
}
