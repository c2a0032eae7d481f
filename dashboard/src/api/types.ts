/**
 * The API's resources as they come over the wire (CONTRACT §3–7). Amounts are integer minor units, instants RFC 3339.
 * Nothing here is computed; what the pages derive from these lives beside the pages.
 */

export type PaymentStatus = "CREATED" | "PROCESSING" | "SUCCESS" | "FAILED";
export type RefundStatus = "PENDING" | "PROCESSED" | "FAILED";
export type DeliveryStatus = "pending" | "success" | "failed" | "held";

export interface Payment {
  id: string;
  order_id: string;
  merchant_id: string;
  amount: number;
  currency: string;
  method: "upi" | "card";
  status: PaymentStatus;
  captured: boolean;
  amount_refunded: number;
  vpa?: string | null;
  card_network?: string | null;
  card_last4?: string | null;
  error_code: string | null;
  error_description: string | null;
  created_at: string;
  updated_at: string | null;
}

export interface Refund {
  id: string;
  payment_id: string;
  amount: number;
  currency: string;
  reason: string | null;
  status: RefundStatus;
  error_code: string | null;
  error_description: string | null;
  created_at: string;
  processed_at: string | null;
  updated_at: string | null;
}

export interface Order {
  id: string;
  amount: number;
  currency: string;
  receipt: string | null;
  notes: Record<string, unknown> | null;
  status: "CREATED" | "PAID";
  created_at: string;
  updated_at: string | null;
}

/** Keyset page: `next_cursor` is opaque. */
export interface Page<Row> {
  data: Row[];
  has_more: boolean;
  next_cursor: string | null;
}

/** Offset page, the form of the delivery log. */
export interface OffsetPage<Row> {
  data: Row[];
  total: number;
  limit: number;
  offset: number;
}

export interface Listed<Row> {
  data: Row[];
}

export interface Merchant {
  id: string;
  name: string;
  email: string;
  allowed_origins: string[];
  browser_orders: { enabled: boolean; maximum_minor: number | null };
  created_at: string;
}

export interface SessionAnswer {
  merchant: Merchant;
  csrf_token: string;
}

/** The new merchant, its first pair (the secret is never told again) and the session it is in. */
export interface SignUpAnswer extends Merchant {
  api_key: string;
  api_secret: string;
  csrf_token: string;
}

export interface LoginSession {
  id: string;
  created_at: string;
  last_seen_at: string;
  ip: string | null;
  user_agent: string | null;
  current: boolean;
}

export interface ApiKey {
  id: string;
  key: string;
  name?: string | null;
  created_at?: string;
  last_used_at?: string | null;
  revoked_at?: string | null;
  expires_at?: string | null;
  /** Known where it was just made, and for test mode's seeded pair. */
  secret?: string | null;
}

/** Only creation and rotation answer with the secret. */
export interface KeyPair extends ApiKey {
  secret: string;
}

export interface Endpoint {
  id: string;
  url: string;
  events: string[];
  description: string | null;
  ordering: "per_payment" | "none";
  active: boolean;
  disabled_reason: string | null;
  created_at: string;
  secret_hint: string | null;
  previous_secret_expires_at: string | null;
}

export interface EndpointWithSecret extends Endpoint {
  secret: string;
}

/** The one-endpoint form. The secret comes once: with the first URL, and when it is made anew. */
export interface WebhookConfig {
  webhook_url: string | null;
  endpoint_id: string | null;
  active: boolean;
  secret_hint: string | null;
  webhook_secret: string | null;
}

export interface Delivery {
  id: string;
  event: string;
  event_id: string;
  endpoint_id: string;
  payment_id: string | null;
  status: DeliveryStatus;
  attempts: number;
  created_at: string;
  last_attempt_at: string | null;
  next_retry_at: string | null;
  response_code: number | null;
}

export interface DeliveryAttempt {
  attempt: number;
  at: string;
  duration_ms: number | null;
  request_headers: Record<string, string> | null;
  response_code: number | null;
  response_body: string | null;
  error: string | null;
  next_retry_at: string | null;
}

export interface DeliveryDetail extends Delivery {
  body: unknown;
  attempts_log: DeliveryAttempt[];
}

export interface Matching {
  matching: number;
  job_id?: string | null;
}

export interface WebhookJob {
  id: string;
  kind: string;
  state: string;
  total: number;
  done: number;
}

export interface DomainEvent {
  id: string;
  type: string;
  sequence: number;
  at: string;
  data?: unknown;
  [field: string]: unknown;
}

export interface TimelineEvent {
  id: string;
  sequence: number;
  type: string;
  at: string;
  caused_by: string | null;
  request_id: string | null;
  before: string | null;
  after: string | null;
  topic: string | null;
  partition: number | null;
  offset: number | null;
}

export interface BankAttempt {
  attempt_id: string;
  kind: string;
  outcome: string | null;
  amount: number;
  reference: string | null;
  times_asked: number;
  error_code?: string | null;
}

export interface TimelineDelivery {
  log_id: string;
  endpoint_id: string;
  event: string;
  status: DeliveryStatus;
  attempts: DeliveryAttempt[];
}

export interface Timeline {
  payment_id: string;
  order_id: string;
  data: TimelineEvent[];
  webhooks: TimelineDelivery[];
  bank: BankAttempt[];
}

/** Numbers of one span of time. */
export interface SpanNumbers {
  volume_minor: number;
  payments_total: number;
  payments_success: number;
  payments_failed: number;
  /** 0 to 1, of the decided payments; 0 where none is. */
  success_rate: number;
  refunded_minor: number;
  refunds_total: number;
}

export interface AnalyticsSummary extends SpanNumbers {
  from: string;
  to: string;
  by_method: { method: string; count: number; success: number; volume_minor: number }[];
  by_error_code: { error_code: string; count: number }[];
  time_to_outcome_ms: { p50: number | null; p95: number | null };
  webhooks: { delivered: number; failed: number; waiting: number; oldest_waiting_seconds: number | null };
  previous: SpanNumbers | null;
}

export interface TimePoint {
  at: string;
  volume_minor: number;
  payments_total: number;
  payments_success: number;
  payments_failed: number;
  refunded_minor: number;
}

export interface Timeseries {
  bucket: "hour" | "day";
  data: TimePoint[];
}

/** What the live feed tells: an event's type and the resource as the event left it. */
export interface Change {
  type: string;
  order?: Order;
  payment?: Payment;
  refund?: Refund;
}

export interface RuntimeConfig {
  api_url: string;
  checkout_url: string;
  test_mode: boolean;
}
