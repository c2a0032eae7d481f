/**
 * The payment's history as one line of moments: events of the log, questions to the bank, attempts to notify the
 * merchant's endpoints. Events have their place on the log; a bank attempt has no instant of its own and stands after
 * the event that caused it. Pure.
 */
import { EVENT_KINDS } from "web-shared/events";
import type { BankAttempt, Timeline, TimelineAttempt, TimelineDelivery, TimelineEvent } from "web-shared/wire";
import { type Tone, toneOfResponse } from "../../ui/tone.ts";

export interface Moment {
  key: string;
  kind: "event" | "bank" | "webhook";
  at: string;
  title: string;
  tone: Tone;
  /** Short facts beside the title. */
  facts: string[];
  href: string | null;
  /** All details, shown on request. */
  raw: unknown;
}

export function momentsOf(timeline: Timeline): Moment[] {
  const events = [...timeline.data].sort((left, right) => left.sequence - right.sequence);
  const moments = events.flatMap((event) => [eventMoment(event), ...bankMoments(event, timeline)]);
  const attempts = timeline.webhooks.flatMap((delivery) =>
    delivery.attempts.map((each) => webhookMoment(delivery, each)),
  );
  return merged(moments, attempts.sort(byInstant));
}

function eventMoment(event: TimelineEvent): Moment {
  const { title, tone } = EVENT_KINDS[event.type] ?? { title: event.type, tone: "calm" };
  return {
    key: event.id,
    kind: "event",
    at: event.at,
    title,
    tone,
    facts: placeOnLog(event),
    href: `/dashboard/events/${event.id}`,
    raw: event,
  };
}

/** `payments.events.v1-4 @ 90114`; without the offset if the event is not on the log yet. */
function placeOnLog({ topic, partition, offset }: TimelineEvent): string[] {
  return [offset === null ? `${topic}-${partition}` : `${topic}-${partition} @ ${offset}`];
}

/** The charge of this payment; the refund that stands at the same place among the refunds as its event. */
function bankMoments(event: TimelineEvent, timeline: Timeline): Moment[] {
  if (event.type === "payment.processing") {
    return timeline.bank
      .filter((attempt) => attempt.attempt_id === timeline.payment_id)
      .map((attempt) => bankMoment(attempt, event.at));
  }
  if (event.type !== "refund.created") return [];
  const nth = timeline.data.filter((each) => each.type === event.type && each.sequence < event.sequence).length;
  const attempt = timeline.bank.filter((each) => each.attempt_id !== timeline.payment_id)[nth];
  return attempt ? [bankMoment(attempt, event.at)] : [];
}

function bankMoment(attempt: BankAttempt, at: string): Moment {
  const requests = attempt.times_asked === 1 ? "1 request" : `${attempt.times_asked} requests`;
  const outcome = attempt.outcome?.toLowerCase() ?? "no response yet";
  return {
    key: `bank:${attempt.attempt_id}:${attempt.kind}`,
    kind: "bank",
    at,
    title: `Bank, ${attempt.kind}`,
    tone: bankTone(outcome),
    facts: [outcome.replaceAll("_", " "), requests, ...(attempt.reference ? [attempt.reference] : [])],
    href: null,
    raw: attempt,
  };
}

function bankTone(outcome: string): Tone {
  if (/success|approved|processed/.test(outcome)) return "ok";
  return outcome === "no response yet" ? "wait" : "bad";
}

function webhookMoment(delivery: TimelineDelivery, attempt: TimelineAttempt): Moment {
  const response = attempt.response_code ?? attempt.error ?? "no response";
  const facts = [delivery.event, `attempt ${attempt.attempt}`, `${attempt.duration_ms} ms`];
  return {
    key: `${delivery.log_id}:${attempt.attempt}`,
    kind: "webhook",
    at: attempt.at,
    title: `Webhook ${response}`,
    tone: attempt.response_code === null ? "bad" : toneOfResponse(attempt.response_code),
    facts,
    href: `/dashboard/webhooks/deliveries/${delivery.log_id}`,
    raw: attempt,
  };
}

/** Both are in order; an attempt comes after every moment that is not later. */
function merged(moments: readonly Moment[], attempts: readonly Moment[]): Moment[] {
  const all: Moment[] = [];
  let next = 0;
  for (const moment of moments) {
    while (next < attempts.length && byInstant(attempts[next] as Moment, moment) < 0)
      all.push(attempts[next++] as Moment);
    all.push(moment);
  }
  return [...all, ...attempts.slice(next)];
}

function byInstant(left: { at: string }, right: { at: string }): number {
  return Date.parse(left.at) - Date.parse(right.at);
}
