/** What of a page's prefill goes with a payment. */
import { expect, it } from "vitest";
import { payerOf } from "./payer.ts";

it("is who pays, trimmed", () => {
  const prefill = { name: " Asha Rao ", email: "asha@example.com", contact: "+91 (98765) 43-210", vpa: "asha@upi" };
  expect(payerOf(prefill)).toEqual({
    name: "Asha Rao",
    email: "asha@example.com",
    contact: "+91 (98765) 43-210",
  });
});

it.each([
  {},
  { name: "  ", email: "", contact: "" },
  { name: "a\nb", email: "asha", contact: "12345" },
  { name: "x".repeat(256), email: "a@b", contact: "call me" },
  { name: "a\u2028b", email: "a@b..c", contact: "1".repeat(16) },
  { name: "a\u0007b", email: `${"a".repeat(65)}@example.com`, contact: "+" },
  { name: 7, email: {}, contact: null } as never,
])("leaves out what the API would refuse: %j", (prefill) => {
  expect(payerOf(prefill)).toEqual({});
});
