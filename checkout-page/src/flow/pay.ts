/**
 * One attempt, sent until there is a response. Repeating is safe: every repeat carries the same idempotency key.
 * It waits for a lost network; a server that stays silent ends the attempt with its outcome unknown, and the next press
 * of the button repeats it under the same key.
 */
import type { Payment } from "sdk/types";
import { type Api, CallFailed, type Instrument } from "./api.ts";
import type { Attempts } from "./attempt.ts";
import { movedOn } from "./refusal.ts";

const TRIES_MAX = 6;
const FIRST_PAUSE_MS = 400;

/**
 * Pay under the key of the running attempt. If that key had already made a payment from other data (its response was
 * lost) and that payment failed, this is another attempt with its own key.
 */
export async function payAttempt(
  api: Api,
  orderId: string,
  instrument: Instrument,
  attempts: Attempts,
): Promise<Payment> {
  try {
    return await payUntilDecided(api, orderId, instrument, attempts.begin().key);
  } catch (error) {
    if (!(error instanceof CallFailed) || error.code !== "IDEMPOTENCY_MISMATCH") throw error;
    const order = await api.order(orderId);
    if (movedOn(order)) throw error;
    attempts.saw(order.payment?.id);
    attempts.end();
    return payUntilDecided(api, orderId, instrument, attempts.begin().key);
  }
}

export async function payUntilDecided(
  api: Api,
  orderId: string,
  instrument: Instrument,
  key: string,
  pause: (delayMs: number) => Promise<void> = pauseOrOnline,
): Promise<Payment> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await api.pay(orderId, instrument, key);
    } catch (error) {
      if (!(error instanceof CallFailed) || error.kind === "refused" || attempt === TRIES_MAX) throw error;
      await pause(error.kind === "busy" ? error.retryAfterMs : FIRST_PAUSE_MS * 2 ** (attempt - 1));
    }
  }
}

/** Wait that long, and then for the network. */
async function pauseOrOnline(delayMs: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, delayMs));
  if (!navigator.onLine) await new Promise((resolve) => addEventListener("online", resolve, { once: true }));
}
