/** Instruments whose outcome is known, for the test-mode banner. Used only where the order says it is a test. */
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

export interface UpiText {
  vpa: string;
}

export const EMPTY_UPI: UpiText = { vpa: "" };

export function testUpi(outcome: Outcome): UpiText {
  return { vpa: VPAS[outcome] };
}

export interface CardText {
  number: string;
  expiry: string;
  name: string;
  cvv: string;
}

export const EMPTY_CARD: CardText = { number: "", expiry: "", name: "", cvv: "" };

/** A card has only three of the outcomes; null for the others. */
export function testCard(outcome: Outcome, year: number): CardText | null {
  const number = NUMBERS[outcome];
  const expiry = `12/${String((year + 3) % 100).padStart(2, "0")}`;
  return number ? { number, expiry, name: "Test Payer", cvv: "123" } : null;
}

export interface BankText {
  bank: string;
}

export const EMPTY_BANK: BankText = { bank: "" };
const BANKS: Readonly<Partial<Record<Outcome, string>>> = { success: "SUCC", declined: "FAIL", slow: "SLOW" };
/** Banks of test mode alone. */
export const TEST_BANKS: readonly string[] = Object.values(BANKS);

/** Three of the outcomes have a bank; null for the others. */
export function testBank(outcome: Outcome): BankText | null {
  const bank = BANKS[outcome];
  return bank ? { bank } : null;
}
