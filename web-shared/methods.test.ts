/** Each method as people read it. */
import { expect, it } from "vitest";
import { formatInstrument, METHOD_NAMES, methodOf } from "./methods.ts";

it.each([
  [{ method: "upi", vpa: "success@upi" }, "UPI success@upi", "success@upi"],
  [{ method: "card", card_network: "visa", card_last4: "1111" }, "Visa ···· 1111", "Visa ···· 1111"],
  [{ method: "card", card_network: "unknown", card_last4: "0009" }, "Card ···· 0009", "···· 0009"],
  [{ method: "netbanking", bank: "HDFC" }, "Netbanking HDFC Bank", "HDFC Bank"],
  [{ method: "netbanking", bank: "SUCC" }, "Netbanking SUCC", "SUCC"],
] as const)("%o is %s", (payment, described, detail) => {
  expect(formatInstrument(payment)).toBe(described);
  expect(methodOf(payment.method).detail(payment)).toBe(detail);
});

it("a method that this page does not know shows under its own name", () => {
  expect(methodOf("wallet").label).toBe("wallet");
  expect(METHOD_NAMES.map((name) => methodOf(name).label)).toEqual(["UPI", "Card", "Netbanking"]);
});
