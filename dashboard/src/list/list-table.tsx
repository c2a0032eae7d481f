/**
 * A table that is there in every state of its list: rows, or in their place loading, error, nothing yet, no match.
 * On narrow screens each row becomes a card (CSS), its cells labelled by `data-label`.
 */
import type { ComponentChildren, JSX } from "preact";
import { ErrorState, NoMatchState } from "../ui/states.tsx";
import { faceOf, type ListState } from "./list.ts";

export interface Column {
  label: string;
  /** Figures stand at the end of their cell. */
  end?: boolean;
  /** The heading is read, not shown (a column of buttons). */
  quiet?: boolean;
}

export interface ListTableProps<Row> {
  caption: string;
  noun: string;
  columns: readonly Column[];
  state: ListState<Row>;
  filtered: boolean;
  clearPath: string;
  empty: ComponentChildren;
  onRetry: () => void;
  row: (row: Row) => JSX.Element;
  testId?: string;
}

const SKELETON_ROWS = 6;

export function ListTable<Row>(props: ListTableProps<Row>) {
  const { columns, state } = props;
  const busy = state.status === "loading" || state.refreshing;
  return (
    <div class={state.refreshing ? "card table-card refreshing" : "card table-card"} aria-busy={busy}>
      <table class="list" data-test-id={props.testId} data-list={true}>
        <caption class="visually-hidden">{props.caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column.label} scope="col" class={column.end ? "end" : undefined}>
                {column.quiet ? <span class="visually-hidden">{column.label}</span> : column.label}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{bodyOf(props)}</tbody>
      </table>
    </div>
  );
}

function bodyOf<Row>({ columns, state, filtered, clearPath, empty, noun, onRetry, row }: ListTableProps<Row>) {
  const whole = (content: ComponentChildren) => (
    <tr class="whole">
      <td colSpan={columns.length}>{content}</td>
    </tr>
  );
  switch (faceOf(state, filtered)) {
    case "loading":
      return skeletonRows(columns);
    case "error":
      return whole(<ErrorState title={`The ${noun} could not be loaded`} failure={state.failure} onRetry={onRetry} />);
    case "empty":
      return whole(empty);
    case "no_match":
      return whole(<NoMatchState noun={noun} clearPath={clearPath} />);
    case "rows":
      return state.rows.map(row);
  }
}

function skeletonRows(columns: readonly Column[]) {
  return Array.from({ length: SKELETON_ROWS }, (_, index) => (
    <tr key={index} data-state="loading">
      {columns.map((column) => (
        <td key={column.label} class={column.end ? "end" : undefined}>
          <span class="skeleton" />
          {index === 0 && column === columns[0] && <span class="visually-hidden">Loading</span>}
        </td>
      ))}
    </tr>
  ));
}

export function Cell({ label, end = false, children }: { label: string; end?: boolean; children: ComponentChildren }) {
  return (
    <td data-label={label} class={end ? "end" : undefined}>
      <div class="cell">{children}</div>
    </td>
  );
}
