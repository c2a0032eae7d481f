/**
 * Fetches the pages of one list. `key` identifies the request (filters and cursor): when it changes, the list is
 * fetched again.
 */
import { useCallback, useEffect, useReducer, useRef } from "preact/hooks";
import { failureOfException } from "../api/failure.ts";
import type { OffsetPage, Page } from "../api/types.ts";
import { initialList, type ListAction, type ListPage, type ListState, reduceList } from "./list.ts";

export interface List<Row> {
  state: ListState<Row>;
  dispatch: (action: ListAction<Row>) => void;
  /** Fetch again; `quietly` keeps the rows on screen until then. */
  reload: (quietly?: boolean) => void;
}

export function useList<Row extends { id: string }>(
  key: string,
  load: (signal: AbortSignal) => Promise<ListPage<Row>>,
): List<Row> {
  const [state, dispatch] = useReducer<ListState<Row>, ListAction<Row>>(reduceList, initialList<Row>());
  const loader = useRef(load);
  loader.current = load;
  const running = useRef<AbortController | null>(null);

  const start = useCallback((keepRows: boolean) => {
    running.current?.abort();
    const controller = new AbortController();
    running.current = controller;
    dispatch({ type: "requested", keepRows });
    loader.current(controller.signal).then(
      (page) => !controller.signal.aborted && dispatch({ type: "loaded", page }),
      (error: unknown) => {
        if (!controller.signal.aborted) dispatch({ type: "failed", failure: failureOfException(error) });
      },
    );
  }, []);

  useEffect(() => {
    start(false);
    return () => running.current?.abort();
  }, [key, start]);
  const reload = useCallback((quietly = false) => start(quietly), [start]);
  return { state, dispatch, reload };
}

export function keysetPage<Row>(page: Page<Row>): ListPage<Row> {
  return { rows: page.data, hasMore: page.has_more, nextCursor: page.next_cursor, total: null };
}

/** An offset page's next cursor is the next offset. */
export function offsetPage<Row>(page: OffsetPage<Row>): ListPage<Row> {
  const next = page.offset + page.data.length;
  const hasMore = next < page.total;
  return { rows: page.data, hasMore, nextCursor: hasMore ? String(next) : null, total: page.total };
}
