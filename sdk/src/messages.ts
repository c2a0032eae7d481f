/**
 * Messages between a merchant's page and the checkout in its frame, and the one guard both sides use.
 *
 *   envelope {gw: 1, nonce, type, data}      frame → page: ready status submit success failure error resize close
 *                                            page → frame: init
 *
 * A message counts only from the expected origin, the expected window and with this opening's nonce. The sender
 * always names the receiver's exact origin. No message carries a token or card data.
 */
import type { CheckoutError, CheckoutState, CloseReason, Decline, Method, Payment, Prefill } from "./types.ts";

export const VERSION = 1;

export interface FrameMessages {
  ready: undefined;
  /** `locked`: a payment is being processed, the modal must stay. */
  status: { state: CheckoutState; locked: boolean };
  submit: { method: Method };
  success: Payment;
  failure: Decline;
  error: CheckoutError;
  /** Height of the content in CSS pixels. */
  resize: number;
  /** Please close me. */
  close: CloseReason;
}

export interface PageMessages {
  init: { prefill?: Prefill; method?: Method };
}

/** One message of a family, distinguished by `type`. */
export type Message<Family> = { [Type in keyof Family]: { type: Type; data: Family[Type] } }[keyof Family];

export interface Peer {
  origin: string;
  source: MessageEventSource | null | undefined;
  nonce: string;
}

/** The message, if it really comes from the peer of this opening; else undefined. */
export function accept<Family>(event: MessageEvent, peer: Peer): Message<Family> | undefined {
  const data = event.data;
  return data &&
    peer.source &&
    event.source === peer.source &&
    event.origin === peer.origin &&
    data.gw === VERSION &&
    data.nonce === peer.nonce &&
    typeof data.type === "string"
    ? data
    : undefined;
}

/** Post one message to exactly one origin. */
export function post<Family>(target: Window, peer: Omit<Peer, "source">, message: Message<Family>): void {
  target.postMessage({ gw: VERSION, nonce: peer.nonce, ...message }, peer.origin);
}
