/** Instruments whose outcome is known, for the test-mode banner. Used only where the order says it is a test. */
import type { Method } from "sdk/types";

export type Outcome = "success" | "declined" | "insufficient" | "timeout" | "unknown" | "slow";

export const OUTCOMES: readonly Outcome[] = ["success", "declined", "insufficient", "timeout", "unknown", "slow"];

const VPAS: Readonly<Record<Outcome, string>> = {
  success: "success@upi",
  declined: "failure@upi",
  insufficient: "insufficient@upi",
  timeout: "timeout@upi",
  unknown: "unknown@upi",
  slow: "slow@upi",
};
const NUMBERS: Readonly<Partial<Record<Outcome, string>>> = {
  success: "4111 1111 1111 1111",
  declined: "4000 0000 0000 0002",
  insufficient: "4000 0000 0000 9995",
};

export function testVpa(outcome: Outcome): string {
  return VPAS[outcome];
}

/** A card has only three of the outcomes; for the others UPI must be chosen. */
export function methodFor(outcome: Outcome, chosen: Method | null): Method {
  return NUMBERS[outcome] && chosen === "card" ? "card" : "upi";
}

export interface CardText {
  number: string;
  expiry: string;
  name: string;
  cvv: string;
}

export const EMPTY_CARD: CardText = { number: "", expiry: "", name: "", cvv: "" };

export function testCard(outcome: Outcome, year: number): CardText {
  const expiry = `12/${String((year + 3) % 100).padStart(2, "0")}`;
  return { number: NUMBERS[outcome] ?? "", expiry, name: "Test Payer", cvv: "123" };
}
