/**
 * Public types of the SDK; the build turns this file into `gateway.d.mts`, with the wire types written out.
 * Names follow the REST API (snake_case), because payments and orders are passed through as the API sent them.
 */
import type { PublicPayment } from "web-shared/wire";

/** A payment as the public API shows it. `onSuccess` is not proof of payment: verify it on your server. */
export type Payment = PublicPayment;

export type Method = Payment["method"];

/** Codes of errors, stable: new ones may be added, none changes its meaning. */
export type ErrorCode =
  | "invalid_options"
  | "origin_not_allowed"
  | "load_timeout"
  | "network"
  | "order_expired"
  | "order_paid"
  | "closed"
  | "internal";

/** Why an opening ended without a payment. `retryable`: the same call may succeed later. */
export interface CheckoutError {
  code: ErrorCode;
  message: string;
  retryable: boolean;
  request_id?: string | null;
}

/** A declined payment. The payer can try again in the open modal; `code` is the payment's `error_code`. */
export interface Decline {
  code: string;
  message: string;
  retryable: boolean;
  payment: Payment;
}

export type CheckoutState =
  | "loading"
  | "ready"
  | "submitting"
  | "processing"
  | "success"
  | "failed"
  | "expired"
  | "paid"
  | "not_found"
  | "refused"
  | "offline"
  | "server_down";

/** Why the modal closed: one of our reasons, or what was passed to `close()`. */
export type CloseReason = "user" | "escape" | "done" | "error" | (string & {});

export interface EventData {
  /** The checkout is loaded and responds. */
  ready: undefined;
  /** The payer pressed Pay. */
  submit: { method: Method };
  status: CheckoutState;
  success: Payment;
  failure: Decline;
  close: CloseReason;
  error: CheckoutError;
}

export interface Prefill {
  vpa?: string;
  /** The payer's name; also proposed as the name on the card. */
  name?: string;
  /** Kept with the payment, as the name is. */
  email?: string;
  /** A telephone number of 6 to 15 digits. */
  contact?: string;
}

export interface OpenOptions {
  /** Publishable key. Required for an amount without an order. */
  key?: string;
  /** An order made on your server: the amount is then yours, not the browser's. */
  order_id?: string;
  /** Minor units (paise). Test keys, or merchants that opted in with a maximum. */
  amount?: number;
  currency?: string;
  method?: Method;
  prefill?: Prefill;
  /** Kept with an order made from `amount`. */
  notes?: Record<string, string>;
  theme?: "light" | "dark" | "auto";
  locale?: "en" | "hi" | "ta";
  /** Milliseconds until an opening without a response counts as failed. Default 15,000. */
  loadTimeout?: number;
  onReady?: () => void;
  onSubmit?: (data: EventData["submit"]) => void;
  onStatus?: (state: CheckoutState) => void;
  onSuccess?: (payment: Payment) => void;
  onFailure?: (decline: Decline) => void;
  onClose?: (reason: CloseReason) => void;
  onError?: (error: CheckoutError) => void;
}

/** One opening. */
export interface Handle {
  /** Settles once: the successful payment, or a `CheckoutError` (an Error with those fields). */
  readonly result: Promise<Payment>;
  /** False, and nothing happens, while a payment is being processed. */
  close(reason?: CloseReason): boolean;
  /** Listen; returns the function that stops listening. */
  on<Type extends keyof EventData>(type: Type, listener: (data: EventData[Type]) => void): () => void;
}

export interface GatewayCheckoutApi {
  readonly version: string;
  /** Open the modal. While one is open, that one is returned. Never throws: errors come by `result` and `onError`. */
  open(options: OpenOptions): Handle;
}

/** The same as a class, in camel case. */
export interface PaymentGatewayOptions {
  key?: string;
  orderId?: string;
  onSuccess?: (payment: Payment & { paymentId: string }) => void;
  onFailure?: (decline: Decline) => void;
  onClose?: (reason: CloseReason) => void;
}

export interface PaymentGatewayConstructor {
  new (
    options: PaymentGatewayOptions & Omit<OpenOptions, "onSuccess">,
  ): { open(): Handle; close(reason?: CloseReason): boolean };
}
