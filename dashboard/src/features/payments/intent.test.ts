/** A key for each intent. */
import { expect, it } from "vitest";
import { keyOfIntent } from "./intent.ts";

it("keeps its key while the same thing is asked again, and takes another for another", () => {
  const keyOf = keyOfIntent();
  const first = keyOf({ amount: 500 });
  expect(keyOf({ amount: 500 })).toBe(first);
  const other = keyOf({ amount: 501 });
  expect(other).not.toBe(first);
  expect(keyOf({ amount: 500 })).not.toBe(first);
  expect(keyOfIntent()({ amount: 500 })).not.toBe(first);
});
