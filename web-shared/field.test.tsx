// @vitest-environment happy-dom
/** A field's problem is announced: the alert is in the document before it has a text. */
import { render } from "preact";
import { expect, it } from "vitest";
import { Field } from "./field.tsx";

function drawn(problem: string | null) {
  render(<Field id="vpa" label="UPI ID" hint="name@bank" problem={problem} value="" />, document.body);
  return {
    input: document.querySelector("input"),
    alert: document.querySelector('[role="alert"]'),
    note: document.getElementById("vpa-note"),
  };
}

it("announces a problem when it appears, in the place of the hint", () => {
  const before = drawn(null);
  expect(before.alert?.textContent).toBe("");
  expect(before.note?.textContent).toBe("name@bank");
  const after = drawn("Enter your UPI ID");
  expect(after.alert).toBe(before.alert);
  expect(after.alert?.textContent).toBe("Enter your UPI ID");
  expect(after.note?.textContent).toBe("Enter your UPI ID");
  expect(after.input?.getAttribute("aria-invalid")).toBe("true");
  expect(after.input?.getAttribute("aria-describedby")).toBe("vpa-note");
});
