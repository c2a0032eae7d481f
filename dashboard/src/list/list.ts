/**
 * One page of a list, as a reducer. Changed rows are replaced in place; new rows are only counted
 * (the visible page never moves by itself) until the list is fetched again.
 */
import type { Failure } from "../api/failure.ts";

export interface ListPage<Row> {
  rows: readonly Row[];
  hasMore: boolean;
  nextCursor: string | null;
  total: number | null;
}

export interface ListState<Row> extends ListPage<Row> {
  status: "loading" | "ready" | "error";
  /** Rows are shown while newer ones are on their way. */
  refreshing: boolean;
  failure: Failure | null;
  arrivedIds: readonly string[];
}

export type ListAction<Row> =
  | { type: "requested"; keepRows: boolean }
  | { type: "loaded"; page: ListPage<Row> }
  | { type: "failed"; failure: Failure }
  | { type: "row_changed"; row: Row }
  | { type: "row_arrived"; row: Row };

/** Above this the bar says `99+`; also the bound on what is remembered. */
export const ARRIVED_MOST = 100;

export function initialList<Row>(): ListState<Row> {
  return {
    status: "loading",
    rows: [],
    hasMore: false,
    nextCursor: null,
    total: null,
    refreshing: false,
    failure: null,
    arrivedIds: [],
  };
}

export function reduceList<Row extends { id: string }>(state: ListState<Row>, action: ListAction<Row>): ListState<Row> {
  switch (action.type) {
    case "requested":
      return action.keepRows && state.status === "ready" ? { ...state, refreshing: true } : initialList();
    case "loaded":
      return { ...initialList<Row>(), ...action.page, status: "ready" };
    case "failed":
      return { ...initialList<Row>(), status: "error", failure: action.failure };
    case "row_changed":
      return { ...state, rows: state.rows.map((row) => (row.id === action.row.id ? action.row : row)) };
    case "row_arrived":
      return arrive(state, action.row);
  }
}

function arrive<Row extends { id: string }>(state: ListState<Row>, row: Row): ListState<Row> {
  const known = state.rows.some((shown) => shown.id === row.id) || state.arrivedIds.includes(row.id);
  if (known || state.status !== "ready" || state.arrivedIds.length >= ARRIVED_MOST) return state;
  return { ...state, arrivedIds: [...state.arrivedIds, row.id] };
}

/** What a list shows: exactly one of its four states, or rows. */
export type Face = "loading" | "error" | "empty" | "no_match" | "rows";

export function faceOf(state: ListState<unknown>, filtered: boolean): Face {
  if (state.status === "loading") return "loading";
  if (state.status === "error") return "error";
  if (state.rows.length > 0) return "rows";
  return filtered ? "no_match" : "empty";
}

/** `3 new`, `1 new`, `99+ new`. */
export function arrivedText(count: number): string {
  return `${count >= ARRIVED_MOST ? `${ARRIVED_MOST - 1}+` : count} new`;
}
