/** A link's facts are those behind its #. */
import { expect, it } from "vitest";
import { linkFacts } from "./link-token.ts";

it("reads the token and the address", () => {
  expect(linkFacts("#token=a-b_c&email=asha%2Bshop%40example.com")).toEqual({
    token: "a-b_c",
    email: "asha+shop@example.com",
  });
});

it("a link that was cut off has no token", () => {
  expect(linkFacts("")).toEqual({ token: "", email: "" });
});
