/** What the checkout passes to the form of a method, and what it needs about each. */
import type { ComponentType } from "preact";
import type { Prefill } from "sdk/types";
import type { Instrument, Order } from "../flow/api.ts";
import type { FieldProblem } from "../state/checkout.ts";
import type { Outcome } from "../state/drafts.ts";

export interface FormProps<Draft> {
  shown: boolean;
  busy: boolean;
  amount: string;
  order: Order | null;
  draft: Draft;
  problem: FieldProblem | null;
  /** Test mode: what the next payment is to do. */
  outcome: Outcome;
  onDraft(change: Partial<Draft>): void;
  onPay(instrument: Instrument): void;
}

export interface MethodForm<Draft> {
  Form: ComponentType<FormProps<Draft>>;
  /** What the shop already has about its customer. */
  prefilled(prefill: Prefill): Partial<Draft>;
  /** What may stay after the response, or when the page is left. */
  kept(draft: Draft): Draft;
}
