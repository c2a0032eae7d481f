/** What an endpoint can subscribe to. Without a choice it gets the four outcomes. */
export const WEBHOOK_EVENTS = [
  "payment.created",
  "payment.success",
  "payment.failed",
  "payment.captured",
  "payment.late_success",
  "payment.reversed",
  "payment.reinstated",
  "refund.created",
  "refund.processed",
  "refund.failed",
  "refund.late_success",
  "endpoint.disabled",
  "endpoint.recovered",
] as const;

export const USUAL_EVENTS: readonly string[] = [
  "payment.success",
  "payment.failed",
  "refund.processed",
  "refund.failed",
];
