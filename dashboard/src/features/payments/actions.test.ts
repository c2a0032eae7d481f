/** The page offers exactly what the rules accept: tests/unit/test_payment_actions.py writes their answers down. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { type ActionFacts, actionsOn } from "./actions.ts";

interface Row {
  state: string;
  payment: ActionFacts;
  capture: number;
  void: boolean;
  refund: number;
}

const TABLE = join(import.meta.dirname, "../../../../tests/vectors/payment_actions.json");
const { at, rows } = JSON.parse(readFileSync(TABLE, "utf-8")) as { at: string; rows: Row[] };

it.each(rows.map((row) => [row.state, row] as const))("%s", (_, { payment, capture, void: voidable, refund }) => {
  expect(actionsOn(payment, Date.parse(at))).toEqual({
    captureMinor: capture,
    canVoid: voidable,
    refundMinor: refund,
  });
});
