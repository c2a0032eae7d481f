/** Card and UPI fields as people type them. */
import { describe, expect, it } from "vitest";
import type { Brand } from "web-shared/methods";
import cards from "../../../tests/vectors/cards.json" with { type: "json" };
import vpas from "../../../tests/vectors/vpas.json" with { type: "json" };
import {
  brandOf,
  cvvFault,
  expiryEdited,
  expiryFault,
  expiryShown,
  grouped,
  isComplete,
  numberEdited,
  numberFault,
  parseExpiry,
  vpaFault,
} from "./instrument.ts";

describe("the vectors that the API's tests read too", () => {
  it.each(cards.numbers)("$number is a number of $network, valid: $valid", ({ number, network, valid }) => {
    expect(brandOf(number)).toBe(network);
    expect(numberFault(number) === null).toBe(valid);
  });

  it.each(cards.prefixes)("$prefix begins a number of $network", ({ prefix, network }) => {
    expect(brandOf(prefix.padEnd(16, "0"))).toBe(network);
  });

  it.each(cards.cvvs)("$cvv on a card of $network, valid: $valid", ({ network, cvv, valid }) => {
    expect(cvvFault(cvv, network as Brand) === null).toBe(valid);
  });

  it.each(cards.expiries)("$expiry at $at, valid: $valid", ({ expiry, at, valid }) => {
    expect(expiryFault(expiry, new Date(at)) === null).toBe(valid);
  });

  it.each([...vpas.valid.map((vpa) => [vpa, true] as const), ...vpas.invalid.map((vpa) => [vpa, false] as const)])(
    "%s is a UPI ID: %s",
    (vpa, valid) => {
      expect(vpaFault(vpa) === null).toBe(valid);
    },
  );
});

describe("card number", () => {
  it.each([
    ["4111111111111111", "visa", "4111 1111 1111 1111"],
    ["5555555555554444", "mastercard", "5555 5555 5555 4444"],
    ["2221000000000009", "mastercard", "2221 0000 0000 0009"],
    ["2720999999999996", "mastercard", "2720 9999 9999 9996"],
    ["2220999999999996", "unknown", "2220 9999 9999 9996"],
    ["2721000000000009", "unknown", "2721 0000 0000 0009"],
    ["378282246310005", "amex", "3782 822463 10005"],
    ["6011111111111117", "rupay", "6011 1111 1111 1117"],
    ["8100000000000005", "rupay", "8100 0000 0000 0005"],
    ["9999", "unknown", "9999"],
    ["5", "unknown", "5"],
    ["", "unknown", ""],
  ])("%s is %s and shows as %s", (digits, brand, shown) => {
    expect(brandOf(digits)).toBe(brand);
    expect(grouped(digits)).toBe(shown);
  });

  it.each([
    ["4111 1111 1111 1111", null],
    ["4111111111111112", "invalid"],
    ["4111", "incomplete"],
    ["", "required"],
    ["378282246310005", null],
    ["37828224631000", "incomplete"],
    ["4222222222222", null],
  ])("%s is judged %s", (text, fault) => {
    expect(numberFault(text)).toBe(fault);
  });

  it("is judged while typing only when it is complete", () => {
    expect(isComplete("4111 1111 1111 111")).toBe(false);
    expect(isComplete("4111 1111 1111 1112")).toBe(true);
    expect(isComplete("3782 822463 10005")).toBe(true);
  });

  it.each([
    ["typing at the end steps over the space", "41111", 5, "4111", false, "4111 1", 6],
    ["typing in the middle keeps the caret", "41911 1111", 3, "4111 1111", false, "4191 1111 1", 3],
    ["pasting with spaces and dashes", "4111-1111 1111-1111", 19, "", false, "4111 1111 1111 1111", 19],
    ["erasing our space erases the digit before it", "41111111", 4, "4111 1111", true, "4111 111", 3],
    ["erasing a digit", "4111 111", 8, "4111 1111", true, "4111 111", 8],
    ["letters are nothing", "4111a", 5, "4111", false, "4111", 4],
    ["more than 19 digits are cut", "41111111111111111111", 20, "", false, "4111 1111 1111 1111 111", 23],
  ])("%s", (_, text, caret, before, erased, shown, at) => {
    expect(numberEdited(text, caret, before, erased)).toEqual({ text: shown, caret: at });
  });
});

describe("expiry", () => {
  const now = new Date(2026, 10, 25);

  it.each([
    ["1/27", "01/27"],
    ["01/27", "01/27"],
    ["01/2027", "01/27"],
    ["01 / 27", "01/27"],
    ["0127", "01/27"],
    ["012027", "01/27"],
    ["127", "01/27"],
    ["12-27", "12/27"],
    ["202711", "11/27"],
    ["2027-11", "11/27"],
    ["2027/1", "01/27"],
    ["122027", "12/27"],
    ["01/2099", "01/2099"],
    ["2/0271", "02/0271"],
    ["01/1999", "01/1999"],
  ])("%s is %s", (text, shown) => {
    const expiry = parseExpiry(text);
    expect(expiry && expiryShown(expiry, now)).toBe(shown);
  });

  it.each(["202711", "2027-11", "112027", "11/2027", "1127", "11 / 27"])(
    "%s, as a browser fills it in, is 11/27",
    (text) => {
      const filled = expiryEdited(text, false);
      expect(parseExpiry(filled)).toEqual({ month: 11, year: 2027 });
      expect(expiryFault(filled, now)).toBeNull();
    },
  );

  it.each(["202711", "2027-11", "112027", "11/2027", "1127", "11 / 27", "11/27"])(
    "%s, as it is typed, is 11/27",
    (text) => {
      const typed = [...text].reduce((shown, key) => expiryEdited(shown + key, false), "");
      expect(parseExpiry(typed)).toEqual({ month: 11, year: 2027 });
    },
  );

  it.each(["11/0271", "2127-11", "212711", "11/2077", "1999-11"])("the year of %s is not cut", (text) => {
    const filled = expiryEdited(text, false);
    expect(expiryFault(filled, now)).not.toBeNull();
    const expiry = parseExpiry(filled);
    expect(expiry ? expiryShown(expiry, now) : filled).not.toMatch(/^\d\d\/\d\d$/);
  });

  it.each([
    ["11/26", null],
    ["12/26", null],
    ["10/26", "past"],
    ["12/25", "past"],
    ["13/27", "invalid"],
    ["00/27", "invalid"],
    ["1", "invalid"],
    ["", "required"],
    ["01/2099", "invalid"],
    ["2/0271", "past"],
    ["1999-01", "past"],
    ["202713", "invalid"],
    ["2027-00", "invalid"],
  ])("%s is judged %s", (text, fault) => {
    expect(expiryFault(text, now)).toBe(fault);
  });

  it("takes a card while it is still its month anywhere, as for the API", () => {
    expect(expiryFault("11/26", new Date("2026-12-01T11:59:59Z"))).toBeNull();
    expect(expiryFault("11/26", new Date("2026-12-01T12:00:00Z"))).toBe("past");
    expect(expiryFault("12/26", new Date("2027-01-01T11:59:59Z"))).toBeNull();
  });

  it.each([
    ["012", false, "01/2"],
    ["0127", false, "01/27"],
    ["01", false, "01"],
    ["01/", false, "01/"],
    ["1/27", false, "1/27"],
    ["01/2", true, "01/2"],
    ["012", true, "012"],
    ["327", false, "3/27"],
    ["ab1", false, "1"],
  ])("%s (erasing: %s) shows %s", (text, erased, shown) => {
    expect(expiryEdited(text, erased)).toBe(shown);
  });
});

it.each([
  ["123", "visa", null],
  ["12", "visa", "incomplete"],
  ["1234", "visa", "invalid"],
  ["1234", "amex", null],
  ["123", "amex", "incomplete"],
  ["", "visa", "required"],
] as const)("the code %s of a %s is judged %s", (text, brand, fault) => {
  expect(cvvFault(text, brand)).toBe(fault);
});

it.each([
  ["success@upi", null],
  [" success@upi ", null],
  ["a.b-c_1@bank2", null],
  ["success", "invalid"],
  ["a@b.c", "invalid"],
  ["a b@upi", "invalid"],
  ["", "required"],
  [`${"a".repeat(255)}@upi`, "invalid"],
])("the UPI ID %s is judged %s", (text, fault) => {
  expect(vpaFault(text)).toBe(fault);
});
