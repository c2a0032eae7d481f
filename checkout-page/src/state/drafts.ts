/** What the payer has typed into each form so far, and the outcomes that test mode can bring about. */
export interface UpiText {
  vpa: string;
}

export interface CardText {
  number: string;
  expiry: string;
  name: string;
  cvv: string;
}

export interface BankText {
  bank: string;
}

export interface Drafts {
  upi: UpiText;
  card: CardText;
  netbanking: BankText;
}

export const NO_DRAFTS: Drafts = {
  upi: { vpa: "" },
  card: { number: "", expiry: "", name: "", cvv: "" },
  netbanking: { bank: "" },
};

export type Outcome = "success" | "declined" | "insufficient" | "timeout" | "unknown" | "slow";
