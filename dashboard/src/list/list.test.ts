/** A list never moves by itself: changed rows are replaced in place, new ones are counted. */
import { describe, expect, it } from "vitest";
import { ARRIVED_MOST, arrivedText, faceOf, initialList, type ListState, reduceList } from "./list.ts";
import { stepBack, trailAfter } from "./trail.ts";

interface Row {
  id: string;
  status?: string;
}

const FAILURE = {
  code: "NETWORK",
  status: 0,
  description: "",
  field: null,
  request_id: null,
  retry_after_seconds: null,
};

function ready(...ids: string[]): ListState<Row> {
  const page = { rows: ids.map((id) => ({ id })), hasMore: false, nextCursor: null, total: null };
  return reduceList(initialList<Row>(), { type: "loaded", page });
}

describe("a row that is new", () => {
  it("is counted once, and no row moves", () => {
    let list = ready("a");
    for (const id of ["b", "b", "c", "a"]) list = reduceList(list, { type: "row_arrived", row: { id } });
    expect(list.rows.map((row) => row.id)).toEqual(["a"]);
    expect(list.arrivedIds).toEqual(["b", "c"]);
  });

  it("is forgotten above the bound", () => {
    let list = ready("a");
    for (let n = 0; n < ARRIVED_MOST + 50; n += 1)
      list = reduceList(list, { type: "row_arrived", row: { id: `n${n}` } });
    expect(list.arrivedIds).toHaveLength(ARRIVED_MOST);
    expect(arrivedText(list.arrivedIds.length)).toBe("99+ new");
  });

  it("is not counted while the list is loading", () => {
    expect(reduceList(initialList<Row>(), { type: "row_arrived", row: { id: "a" } }).arrivedIds).toEqual([]);
  });
});

it("replaces a changed row where it stands", () => {
  const list = reduceList(ready("a", "b"), { type: "row_changed", row: { id: "a", status: "SUCCESS" } });
  expect(list.rows).toEqual([{ id: "a", status: "SUCCESS" }, { id: "b" }]);
});

it("keeps its rows while it is refreshed quietly, and loses them when asked for something else", () => {
  expect(reduceList(ready("a"), { type: "requested", keepRows: true }).rows).toHaveLength(1);
  expect(reduceList(ready("a"), { type: "requested", keepRows: false }).status).toBe("loading");
});

it("shows exactly one of its faces", () => {
  const failed = reduceList(ready("a"), { type: "failed", failure: FAILURE });
  expect([
    faceOf(initialList(), false),
    faceOf(failed, false),
    faceOf(ready(), false),
    faceOf(ready(), true),
    faceOf(ready("a"), true),
  ]).toEqual(["loading", "error", "empty", "no_match", "rows"]);
});

it("finds the way back through the pages of one list, and none into another's", () => {
  const trail = trailAfter(trailAfter({ of: "x", before: [] }, "x", null), "x", "c1");
  expect(stepBack(trail, "x")).toEqual({ cursor: "c1", trail: { of: "x", before: [null] } });
  expect(stepBack(trail, "y").cursor).toBeNull();
});
