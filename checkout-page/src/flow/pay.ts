/**
 * One attempt, sent until there is an answer. Repeating is safe: every repeat carries the same idempotency key.
 * A lost network is waited for; a server that stays silent ends the attempt with its outcome unknown, and the next press
 * of the button asks again under the same key.
 */
import type { Payment } from "sdk/types";
import { type Api, CallFailed, type Instrument } from "./api.ts";

const TRIES_MAX = 6;
const FIRST_PAUSE_MS = 400;

export async function payUntilAnswered(
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

/** Wait that long, and then until there is a network. */
async function pauseOrOnline(delayMs: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, delayMs));
  if (!navigator.onLine) await new Promise((resolve) => addEventListener("online", resolve, { once: true }));
}
