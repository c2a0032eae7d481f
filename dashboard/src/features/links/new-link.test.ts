/** The request that a form becomes. */
import { expect, it } from "vitest";
import { linkOf, NO_LINK } from "./new-link.ts";

it("asks for what was typed, and for nothing that was not", () => {
  expect(linkOf({ ...NO_LINK, amount: "1,500.50", description: " Two tickets ", name: "Asha Rao" })).toEqual({
    amount: 150_050,
    currency: "INR",
    description: "Two tickets",
    reference: null,
    customer: { name: "Asha Rao", email: null, contact: null },
    expires_at: null,
  });
  expect(linkOf({ ...NO_LINK, amount: "500" })?.customer).toBeNull();
});

it("counts in the minor units of its currency", () => {
  expect(linkOf({ ...NO_LINK, amount: "500", currency: "jpy" })).toMatchObject({ amount: 500, currency: "JPY" });
  expect(linkOf({ ...NO_LINK, amount: "1.5005", currency: "KWD" })).toBeNull();
});

it("ends at the reader's own time", () => {
  const at = linkOf({ ...NO_LINK, amount: "5", expires: "2030-01-31T18:00" })?.expires_at;
  expect(at).toBe(new Date(2030, 0, 31, 18).toISOString());
});

it.each(["", "0", "-1", "much"])("is none with the amount %j", (amount) => {
  expect(linkOf({ ...NO_LINK, amount })).toBeNull();
});
