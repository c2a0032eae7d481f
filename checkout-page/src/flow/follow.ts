/**
 * Follows one payment until it is decided: server-sent events, and polling whenever these are silent.
 *
 *   stream opens ─ each event restarts the silence timer
 *   stream errs, or SILENCE_MS pass ─▶ poll after 250 ms, 500 ms, 1 s, 2 s … 5 s (± 20 %)
 *   hidden page or no network ─▶ no polling until it is back, then at once
 */
import type { Payment } from "sdk/types";
import type { Api } from "./api.ts";

const SILENCE_MS = 4_000;
const STEPS_MS = [250, 500, 1_000, 2_000, 3_500, 5_000] as const;

export function pollDelayMs(attempt: number, random = Math.random()): number {
  const step = STEPS_MS[Math.min(attempt, STEPS_MS.length - 1)] ?? 5_000;
  return Math.round(step * (0.8 + 0.4 * random));
}

export function isDecided(payment: Payment): boolean {
  return payment.status === "SUCCESS" || payment.status === "FAILED";
}

/** Calls `onPayment` with each state seen; returns the function that stops following. */
export function follow(api: Api, paymentId: string, onPayment: (payment: Payment) => void): () => void {
  let stopped = false;
  let attempt = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const stream = new EventSource(api.streamUrl(paymentId));

  const stop = (): void => {
    stopped = true;
    clearTimeout(timer);
    stream.close();
    document.removeEventListener("visibilitychange", resume);
    removeEventListener("online", resume);
  };
  const seen = (payment: Payment): void => {
    if (stopped) return;
    if (isDecided(payment)) stop();
    onPayment(payment);
  };
  const pollIn = (delayMs: number): void => {
    clearTimeout(timer);
    if (!stopped) timer = setTimeout(poll, delayMs);
  };
  const poll = async (): Promise<void> => {
    if (document.hidden || !navigator.onLine) return; // resume() starts again
    try {
      seen(await api.payment(paymentId));
    } catch {
      // Whatever the error, the next poll retries.
    }
    pollIn(pollDelayMs(attempt++));
  };
  const resume = (): void => {
    if (document.hidden || !navigator.onLine) return;
    attempt = 0;
    pollIn(0);
  };

  stream.addEventListener("status", (event) => {
    attempt = 0;
    pollIn(SILENCE_MS);
    seen(JSON.parse(event.data) as Payment);
  });
  stream.onerror = () => {
    if (attempt === 0) pollIn(pollDelayMs(attempt++));
  };
  document.addEventListener("visibilitychange", resume);
  addEventListener("online", resume);
  pollIn(SILENCE_MS);
  return stop;
}
