/**
 * Instruments whose outcome is known, for the test-mode banner. Used only if the order is a test: a chunk that
 * no live payer loads.
 */
import type { Method } from "sdk/types";
import type { Drafts, Outcome } from "./drafts.ts";

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
const BANKS: Readonly<Partial<Record<Outcome, string>>> = { success: "SUCC", declined: "FAIL", slow: "SLOW" };

/** An instrument with this outcome; null if the method has none. */
type Instruments = { readonly [Name in Method]: (outcome: Outcome, year: number) => Drafts[Name] | null };

const INSTRUMENTS: Instruments = {
  upi: testUpi,
  card(outcome, year) {
    const number = NUMBERS[outcome];
    const expiry = `12/${String((year + 3) % 100).padStart(2, "0")}`;
    return number ? { number, expiry, name: "Test Payer", cvv: "123" } : null;
  },
  netbanking(outcome) {
    const bank = BANKS[outcome];
    return bank ? { bank } : null;
  },
};

function testUpi(outcome: Outcome): Drafts["upi"] {
  return { vpa: VPAS[outcome] };
}

export interface Filled {
  method: Method;
  draft: Partial<Drafts[Method]>;
}

/** The chosen method where it can have this outcome, else the first of those offered that can. */
export function filledIn(outcome: Outcome, chosen: Method | null, offered: readonly Method[], year: number): Filled {
  const able = offered.filter((name) => INSTRUMENTS[name](outcome, year));
  const method = able.find((name) => name === chosen) ?? able[0] ?? offered[0] ?? "card";
  return { method, draft: INSTRUMENTS[method](outcome, year) ?? {} };
}
