/**
 * The public calls of the checkout. Each returns a value or throws one `CallFailed`:
 *
 *   offline       no response, and the browser reports no network
 *   unreachable   no answer, a timeout, 5xx: the same call may be repeated
 *   busy          409, 429: repeat after `retryAfterMs`
 *   refused       everything else, with the API's own code and words
 */
import type { Payment } from "sdk/types";
import type { NewCardPayment, NewNetbankingPayment, NewUpiPayment, PublicOrder } from "web-shared/wire";

export type Order = PublicOrder;

/** Who pays. */
type Payer = Pick<NewUpiPayment, "name" | "email" | "contact">;

type Given<Body, Field extends keyof Body> = { [Name in Field]-?: NonNullable<Body[Name]> };

/** What pays: the method and its own fields of `POST /payments/public`. */
export type Instrument = Payer &
  (
    | Given<NewUpiPayment, "method" | "vpa">
    | (Given<NewUpiPayment, "method"> & { flow: "qr" })
    | Given<NewCardPayment, "method" | "card">
    | Given<NewNetbankingPayment, "method" | "bank">
  );

export type FailureKind = "offline" | "unreachable" | "busy" | "refused";

export class CallFailed extends Error {
  constructor(
    readonly kind: FailureKind,
    readonly status = 0,
    readonly code = "",
    readonly description = "",
    readonly field: string | null = null,
    readonly retryAfterMs = 1_000,
  ) {
    super(description || kind);
  }
}

const TIMEOUT_MS = 10_000;

export interface Api {
  order(orderId: string): Promise<Order>;
  pay(orderId: string, instrument: Instrument, idempotencyKey: string): Promise<Payment>;
  payment(paymentId: string): Promise<Payment>;
  /** Request that the bank cancel the attempt. */
  leave(paymentId: string): Promise<Payment>;
  /** Test mode: what the payer does in their UPI app. */
  decide(paymentId: string, approved: boolean): Promise<Payment>;
  streamUrl(paymentId: string): string;
}

export function createApi(apiUrl: string): Api {
  const base = `${apiUrl}/api/v1`;
  return {
    order: (orderId) => call(`${base}/orders/public/${encodeURIComponent(orderId)}`),
    pay: (orderId, instrument, idempotencyKey) =>
      call(`${base}/payments/public`, {
        method: "POST",
        headers: { "Content-Type": "application/json", "Idempotency-Key": idempotencyKey },
        body: JSON.stringify({ order_id: orderId, ...instrument }),
      }),
    leave: (paymentId) => call(`${base}/payments/${paymentId}/public/cancel`, { method: "POST" }),
    decide: (paymentId, approved) =>
      call(`${base}/test/payments/${paymentId}/scan`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ approved }),
      }),
    payment: (paymentId) => call(`${base}/payments/${paymentId}/public`),
    streamUrl: (paymentId) => `${base}/payments/${paymentId}/public/stream`,
  };
}

/** The API's address: the page's own host has it, and usually writes it into the document. */
export async function readApiUrl(): Promise<string> {
  const written = document.querySelector<HTMLMetaElement>('meta[name="gateway-api"]')?.content;
  if (written && URL.canParse(written)) return written;
  const config = await call<{ api_url: string }>("/config.json");
  return config.api_url;
}

async function call<Result>(url: string, init?: RequestInit): Promise<Result> {
  let response: Response;
  let body: unknown;
  try {
    response = await fetch(url, {
      cache: "no-store",
      credentials: "omit",
      signal: AbortSignal.timeout(TIMEOUT_MS),
      ...init,
    });
    body = await response.json();
  } catch {
    throw new CallFailed(navigator.onLine ? "unreachable" : "offline");
  }
  if (!response.ok) throw failureOf(response, body);
  return body as Result;
}

function failureOf(response: Response, body: unknown): CallFailed {
  const { code = "", description = "", field = null } = (body as { error?: Partial<CallFailed> }).error ?? {};
  const { status } = response;
  const kind = status >= 500 ? "unreachable" : status === 409 || status === 429 ? "busy" : "refused";
  const seconds = Number(response.headers.get("Retry-After"));
  return new CallFailed(kind, status, code, description, field, seconds > 0 ? Math.min(seconds, 30) * 1_000 : 1_000);
}
