/**
 * What the checkout shows, as a reducer.
 *
 *   loading ──loaded──▶ ready ──submit──▶ submitting ──accepted──▶ processing ──status──▶ success
 *      │                  ▲                   │ rejected (a field)      └──status──▶ failed ──retry──▶ ready
 *      │                  └───────────────────┤ stopped ─▶ failed
 *      │◀───────────────────────────────────────┘ overtaken (paid or being paid elsewhere: ask the server)
 *      ├──loaded──▶ processing · success · failed · paid · expired      (whatever the server says; expired: or cancelled)
 *   processing ──leave──▶ processing, until the bank has cancelled the attempt ──▶ ready, for another way to pay
 *      └──load_failed──▶ not_found · refused · offline · server_down
 *
 * The server's state wins, with two exceptions: a response that is still awaited, and an end that was already reached.
 */
import type { CheckoutState, Method, Payment } from "sdk/types";
import { type Money, moneyOf } from "web-shared/money";
import type { Order } from "../flow/api.ts";

export interface Problem {
  /** A decline code, or the API's error code. */
  code: string;
  text: string;
  retryable: boolean;
}

export interface FieldProblem {
  field: string;
  code: string;
  text: string;
}

export interface Checkout {
  screen: CheckoutState;
  order: Order | null;
  method: Method | null;
  payment: Payment | null;
  problem: Problem | null;
  /** The API's objection to a field that passed the checks here. */
  fieldProblem: FieldProblem | null;
  online: boolean;
}

export type CheckoutEvent =
  | { type: "loaded"; order: Order; ownPaymentId: string | null; now: number }
  | { type: "load_failed"; screen: "not_found" | "refused" | "offline" | "server_down" }
  | { type: "choose"; method: Method }
  | { type: "submit" }
  | { type: "accepted"; payment: Payment }
  | { type: "status"; payment: Payment }
  | { type: "leave" }
  | { type: "stay"; payment: Payment }
  | { type: "rejected"; problem: FieldProblem }
  | { type: "stopped"; problem: Problem }
  | { type: "overtaken" }
  | { type: "retry" }
  | { type: "expire" }
  | { type: "connection"; online: boolean };

export const START: Checkout = {
  screen: "loading",
  order: null,
  method: null,
  payment: null,
  problem: null,
  fieldProblem: null,
  online: true,
};

/** While these show, nothing may be closed or paid again. */
export function isLocked(screen: CheckoutState): boolean {
  return screen === "submitting" || screen === "processing";
}

/** The address of the payer's step before the bank decides; null if there is none, or nothing to open. */
export function bankPageOf({ screen, payment }: Checkout): string | null {
  const url = screen === "processing" ? payment?.next_action?.url : null;
  return url && /^https?:/.test(url) ? url : null;
}

/** What a UPI app opens or scans, if the payer has to decide in one. */
export function appLinkOf({ screen, payment }: Checkout): string | null {
  const action = screen === "processing" ? payment?.next_action : null;
  return action?.type === "app" && action.url.startsWith("upi://pay?") ? action.url : null;
}

/** Whether the bank cancelled the attempt that the payer left on this page. */
export function isLeft(before: Payment | null, after: Payment): boolean {
  const wasLeaving = before?.id === after.id && before.cancellation === "requested";
  return wasLeaving && after.status === "FAILED" && after.error_code === "PAYMENT_CANCELLED";
}

/** What is known about the money of the payment that is shown; null without one. */
export function moneyIn({ order, payment }: Checkout): Money | null {
  return payment && moneyOf(payment, order?.payment?.id === payment.id ? order.refunds : []);
}

export function reduce(state: Checkout, event: CheckoutEvent): Checkout {
  switch (event.type) {
    case "loaded":
      return loaded(state, event);
    case "load_failed":
      return state.order && state.screen !== "loading" ? state : { ...state, screen: event.screen };
    case "choose":
      return state.screen === "ready" ? { ...state, method: event.method, fieldProblem: null } : state;
    case "submit":
      return state.screen === "ready" ? { ...state, screen: "submitting", problem: null, fieldProblem: null } : state;
    case "accepted":
      return state.screen === "submitting" ? settledBy(state, event.payment) : state;
    case "status":
      return state.screen === "processing" && state.payment?.id === event.payment.id
        ? settledBy(state, event.payment)
        : state;
    case "leave":
      return state.screen === "processing" && state.payment
        ? { ...state, payment: { ...state.payment, cancellation: "requested" } }
        : state;
    case "stay":
      return state.screen === "processing" && state.payment?.id === event.payment.id
        ? { ...state, payment: event.payment }
        : state;
    case "rejected":
      return state.screen === "submitting" ? { ...state, screen: "ready", fieldProblem: event.problem } : state;
    case "stopped":
      return state.screen === "submitting" ? { ...state, screen: "failed", problem: event.problem } : state;
    case "overtaken":
      return state.screen === "submitting" ? { ...state, screen: "loading" } : state;
    case "retry":
      return state.screen === "failed" && state.problem?.retryable
        ? { ...state, screen: "ready", payment: null, problem: null }
        : state;
    case "expire":
      return state.screen === "ready" || state.screen === "failed" ? { ...state, screen: "expired" } : state;
    case "connection":
      return { ...state, online: event.online };
  }
}

/** The screen for the order's own state. */
function loaded(state: Checkout, event: Extract<CheckoutEvent, { type: "loaded" }>): Checkout {
  if (state.screen === "submitting") return state;
  if (state.screen === "success") return lookedAgain(state, event.order);
  const { order, ownPaymentId } = event;
  const { payment } = order;
  const next = { ...state, order };
  const own = payment !== null && payment.id === ownPaymentId;
  if (order.status === "PAID") return { ...next, screen: own ? "success" : "paid", payment };
  if (payment && payment.status !== "FAILED") return settledBy(next, payment);
  if (isOver(order, event.now)) return { ...next, screen: "expired", payment };
  // Even if its failure is on screen: the state of its money may have changed.
  if (payment && own) return settledBy(next, payment);
  return state.screen === "failed" ? next : { ...next, screen: "ready", payment: null };
}

/** A success stays one; the state of its money may have changed since: it can be voided, expire, or be refunded. */
function lookedAgain(state: Checkout, order: Order): Checkout {
  const { payment } = order;
  return payment?.status === "SUCCESS" && payment.id === state.payment?.id ? { ...state, order, payment } : state;
}

/** Cancelled, expired, or past its time even if the server has not expired it yet. */
function isOver({ status, expires_at }: Order, now: number): boolean {
  return status !== "CREATED" || (expires_at !== null && Date.parse(expires_at) <= now);
}

function settledBy(state: Checkout, payment: Payment): Checkout {
  switch (payment.status) {
    case "SUCCESS":
      return { ...state, screen: "success", payment, problem: null };
    case "FAILED":
      if (isLeft(state.payment, payment)) return { ...state, screen: "ready", payment: null, problem: null };
      return { ...state, screen: "failed", payment, problem: declineOf(payment) };
    default:
      return { ...state, screen: "processing", payment, problem: null };
  }
}

function declineOf(payment: Payment): Problem {
  return {
    code: payment.error_code ?? "PAYMENT_FAILED",
    text: payment.error_description ?? "Payment processing failed",
    retryable: payment.error_code !== "ORDER_EXPIRED",
  };
}
