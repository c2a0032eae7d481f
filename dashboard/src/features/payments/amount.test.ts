/** What a person may type into a dialog that moves money. */
import { expect, it } from "vitest";
import { amountProblem } from "./amount-dialog.tsx";

it.each([
  [null, /Enter an amount/],
  [0, /amount above zero/],
  [30_001, /At most ₹300.00 is left/],
])("says what is wrong with %s", (amount, sentence) => {
  expect(amountProblem(amount, 30_000, "INR")).toMatch(sentence);
});

it("accepts all that remains", () => {
  expect(amountProblem(30_000, 30_000, "INR")).toBeNull();
});
