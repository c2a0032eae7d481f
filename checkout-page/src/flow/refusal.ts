/** What an API's refusal of a payment means to the payer: which field, or that the order moved on without this page. */
import type { FieldProblem } from "../state/checkout.ts";
import type { CallFailed, Order } from "./api.ts";

const FIELD_OF_CODE: Readonly<Record<string, string>> = {
  INVALID_VPA: "vpa",
  INVALID_CARD: "number",
  EXPIRED_CARD: "expiry",
};

/** The field of our forms that the API objects to; null if it objects to something else. */
export function fieldProblemOf(failure: CallFailed): FieldProblem | null {
  const field = fieldOf(failure.field) ?? FIELD_OF_CODE[failure.code];
  return field ? { field, code: failure.code, text: failure.description } : null;
}

/** Paid, being paid (by another tab, or by an attempt of ours whose response was lost), cancelled or expired. */
export function movedOn(order: Order): boolean {
  return order.status !== "CREATED" || (order.payment !== null && order.payment.status !== "FAILED");
}

function fieldOf(path: string | null): string | null {
  if (!path) return null;
  if (path.startsWith("vpa")) return "vpa";
  if (path === "bank") return path;
  if (/expiry/.test(path)) return "expiry";
  if (/cvv/.test(path)) return "cvv";
  return /^card(?:[._]number)?$/.test(path) ? "number" : null;
}
