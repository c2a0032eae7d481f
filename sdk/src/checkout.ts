/**
 * `createCheckout(origin)` makes the SDK for one checkout host; both entry files call it.
 *
 *   open → [order from amount] → frame → ready (or timeout) → init → events … → success | close | fatal error
 *
 * One opening at a time. A decline keeps the modal open; `result` settles once.
 */
import { accept, type FrameMessages, type PageMessages, post } from "./messages.ts";
import { type Modal, openModal } from "./modal.ts";
import type {
  CheckoutError,
  CloseReason,
  ErrorCode,
  EventData,
  GatewayCheckoutApi,
  Handle,
  OpenOptions,
  Payment,
  PaymentGatewayConstructor,
} from "./types.ts";

declare const __VERSION__: string;

/** Other languages have these two in English: each costs every page of every shop a hundred bytes. */
const TEXTS: Partial<Record<string, readonly [string, string]>> & { en: readonly [string, string] } = {
  en: ["Close payment", "The payment page did not load. Open it here"],
  hi: ["भुगतान बंद करें", "भुगतान पेज नहीं खुला। यहाँ खोलें"],
};

/** Codes after which the same call can succeed. */
const RETRYABLE = ["load_timeout", "network", "closed", "internal"];

class GatewayError extends Error implements CheckoutError {
  override name = "GatewayError";
  readonly retryable: boolean;
  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly request_id?: string | null,
  ) {
    super(message);
    this.retryable = RETRYABLE.includes(code);
  }
}

let current: Handle | undefined;

/** `mayClose`: whether a payer may close the modal; an opening is never closed while a payment is being processed. */
export function createCheckout(
  origin: string,
  mayClose?: (reason: CloseReason) => boolean,
): {
  GatewayCheckout: GatewayCheckoutApi;
  PaymentGateway: PaymentGatewayConstructor;
} {
  const open = (options: OpenOptions): Handle => {
    current ??= start(origin, options ?? {}, mayClose);
    return current;
  };
  class PaymentGateway {
    #handle: Handle | undefined;
    constructor(readonly options: ConstructorParameters<PaymentGatewayConstructor>[0]) {}
    open(): Handle {
      const { orderId, onSuccess, ...rest } = this.options;
      this.#handle = open({
        order_id: orderId,
        ...rest,
        onSuccess: (payment) => onSuccess?.({ ...payment, paymentId: payment.id }),
      });
      return this.#handle;
    }
    close(reason?: CloseReason): boolean {
      return !!this.#handle?.close(reason);
    }
  }
  return { GatewayCheckout: { version: __VERSION__, open }, PaymentGateway };
}

function start(origin: string, options: OpenOptions, mayClose?: (reason: CloseReason) => boolean): Handle {
  const nonce = crypto.getRandomValues(new Uint32Array(4)).join("-");
  const listeners = new Set<readonly [keyof EventData, (data: never) => void]>();
  let modal: Modal | undefined;
  let timer: ReturnType<typeof setTimeout>;
  let locked = false;
  let settled = false;
  let closed = false;
  let resolve: (payment: Payment) => void;
  let reject: (error: CheckoutError) => void;
  const result = new Promise<Payment>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  // Callers that use only callbacks must not get an unhandled rejection.
  result.catch(() => {});

  const on: Handle["on"] = (type, listener) => {
    const entry = [type, listener as (data: never) => void] as const;
    listeners.add(entry);
    return () => {
      listeners.delete(entry);
    };
  };
  const emit = <Type extends keyof EventData>(type: Type, data: EventData[Type]): void => {
    const option = options[`on${type.replace(/^./, (first) => first.toUpperCase())}` as "onReady"];
    for (const [listened, listener] of [[type, option], ...listeners] as const)
      if (listened === type)
        try {
          listener?.(data as never);
        } catch (error) {
          reportError(error); // a merchant's mistake must not stop ours
        }
  };
  const fail = (error: CheckoutError): void => {
    clearTimeout(timer);
    if (settled || closed) return;
    settled = true;
    emit("error", error);
    reject(error);
  };
  const close = (reason: CloseReason = "user"): boolean => {
    if (locked || closed || mayClose?.(reason) === false) return false;
    closed = true;
    current = undefined;
    clearTimeout(timer);
    removeEventListener("message", receive);
    modal?.remove();
    if (!settled) reject(new GatewayError("closed", `Closed: ${reason}`));
    emit("close", reason);
    return true;
  };
  const peer = () => ({ origin, nonce, source: modal?.frame.contentWindow });

  const receive = (event: MessageEvent): void => {
    const message = accept<FrameMessages>(event, peer());
    switch (message?.type) {
      case "ready":
        clearTimeout(timer);
        post<PageMessages>(event.source as Window, peer(), {
          type: "init",
          data: { prefill: options.prefill, method: options.method },
        });
        emit("ready", undefined);
        break;
      case "status":
        locked = message.data.locked;
        modal?.lock(locked);
        emit("status", message.data.state);
        break;
      case "success":
        if (settled) break;
        settled = true;
        emit("success", message.data);
        resolve(message.data);
        break;
      case "error":
        fail(Object.assign(new GatewayError(message.data.code, message.data.message), message.data));
        break;
      case "resize":
        modal?.fit(message.data);
        break;
      case "close":
        close(message.data);
        break;
      case "submit":
      case "failure":
        emit(message.type, message.data);
    }
  };

  const show = (): void => {
    const texts = TEXTS[options.locale ?? "en"] ?? TEXTS.en;
    modal = openModal(texts[0], options.theme?.replace("auto", "") || "light dark", close);
    addEventListener("message", receive);
    const query = new URLSearchParams();
    const load = (orderId: string): void => {
      query.set("order_id", orderId);
      for (const name of ["key", "theme", "locale"] as const) if (options[name]) query.set(name, options[name]);
      if (modal) modal.frame.src = `${origin}/checkout?${query}&embedded=true#${nonce}~${location.origin}`;
    };
    // A frame fires `load` even when it was refused: only a response proves that it works.
    timer = setTimeout(() => {
      fail(new GatewayError("load_timeout", texts[1]));
      modal?.explain(texts[1], `${origin}/checkout?${query}`);
    }, options.loadTimeout ?? 15_000);
    if (options.order_id) load(options.order_id);
    else
      createOrder(origin, options, nonce).then(load, (error) => {
        fail(error);
        close("error");
      });
  };

  if (options.order_id || options.amount) show();
  else
    queueMicrotask(() => {
      fail(new GatewayError("invalid_options", "order_id, or key and amount, is required"));
      close("error");
    });
  return { result, close, on };
}

/** An order whose amount the browser chose. The API lets only test keys and opted-in merchants do so. */
async function createOrder(origin: string, options: OpenOptions, nonce: string): Promise<string> {
  const { key, amount, currency, notes } = options;
  let response: Response | undefined;
  try {
    const config = await (await fetch(`${origin}/config.json`)).json();
    response = await fetch(`${config.api_url}/api/v1/orders/public`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "Idempotency-Key": nonce },
      body: JSON.stringify({ key, amount, currency, notes }),
    });
    const body = await response.json();
    if (response.ok) return body.id;
    const { status } = response;
    const code =
      status === 403 ? "origin_not_allowed" : status < 429 ? "invalid_options" : status < 500 ? "network" : "internal";
    throw new GatewayError(code, body.error.description, body.error.request_id);
  } catch (error) {
    throw error instanceof GatewayError ? error : new GatewayError(response ? "internal" : "network", String(error));
  }
}
