/** One line of moments from three sources, each where it belongs. */
import { expect, it } from "vitest";
import type { BankAttempt, EventType, Timeline, TimelineEvent } from "web-shared/wire";
import { momentsOf } from "./timeline.ts";

function event(sequence: number, type: EventType, at: string): TimelineEvent {
  return {
    id: `evt_x_${sequence}`,
    sequence,
    type,
    at: `2026-11-25T10:00:${at}Z`,
    caused_by: null,
    request_id: null,
    before: null,
    after: "CREATED",
    topic: "payments.events.v1",
    partition: 4,
    offset: sequence === 2 ? 90_114 : null,
  };
}

function attempt(number: number, at: string, code: number | null) {
  return {
    attempt: number,
    at: `2026-11-25T10:00:${at}Z`,
    duration_ms: 31,
    request_headers: null,
    response_code: code,
    response_body: null,
    error: code === null ? "timed out" : null,
    next_retry_at: null,
  };
}

function bank(attempt_id: string, kind: BankAttempt["kind"], outcome: string | null, times_asked = 1): BankAttempt {
  return { attempt_id, kind, outcome, amount: 100, reference: null, times_asked, error_code: null };
}

const TIMELINE: Timeline = {
  payment_id: "pay_1",
  order_id: "order_1",
  data: [
    event(6, "refund.created", "20.000"),
    event(2, "payment.created", "00.000"),
    event(3, "payment.processing", "00.000"),
    event(4, "payment.success", "00.500"),
    event(5, "refund.created", "10.000"),
  ],
  webhooks: [
    {
      log_id: "log",
      endpoint_id: "whe_1",
      event: "payment.success",
      event_id: "evt_x_4",
      status: "success",
      attempts: [attempt(1, "00.548", null), attempt(2, "05.600", 200)],
    },
  ],
  bank: [bank("pay_1", "charge", "success", 2), bank("rfnd_1", "refund", "success"), bank("rfnd_2", "refund", null)],
};

it("puts events in their sequence, the bank after what asked it, attempts by their instant", () => {
  expect(momentsOf(TIMELINE).map((moment) => moment.title)).toEqual([
    "Created",
    "Processing",
    "Bank, charge",
    "Success",
    "Webhook timed out",
    "Webhook 200",
    "Refund requested",
    "Bank, refund",
    "Refund requested",
    "Bank, refund",
  ]);
});

it("tells the place on the log as far as it is known", () => {
  const [created, processing] = momentsOf(TIMELINE);
  expect(created?.facts).toEqual(["payments.events.v1-4 @ 90114"]);
  expect(processing?.facts).toEqual(["payments.events.v1-4"]);
});

it("colours what failed, what waits and what is well", () => {
  const tones = Object.fromEntries(momentsOf(TIMELINE).map((moment) => [moment.key, moment.tone]));
  expect(tones).toMatchObject({
    "log:1": "bad",
    "log:2": "ok",
    "bank:pay_1:charge": "ok",
    "bank:rfnd_2:refund": "wait",
  });
});

it("gives every moment a key of its own", () => {
  const keys = momentsOf(TIMELINE).map((moment) => moment.key);
  expect(new Set(keys).size).toBe(keys.length);
});
