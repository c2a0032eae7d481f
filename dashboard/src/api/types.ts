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

export interface MerchantSummary {
  id: string;
  name: string;
  email: string;
  test_mode?: boolean;
  created_at: string;
}

export interface MerchantProfile extends MerchantSummary {
  allowed_origins: string[];
  browser_orders: { enabled: boolean; maximum_minor: number | null };
}

export interface SessionAnswer {
  merchant: MerchantSummary;
  csrf_token: string;
  expires_at: string;
}

export interface SignUpAnswer {
  merchant: MerchantSummary;
  api_key: KeyPair;
  csrf_token: string;
  expires_at?: string;
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

/** The one-endpoint form. Fields beyond `webhook_url` are shown where they come. */
export interface WebhookConfig {
  webhook_url: string | null;
  webhook_secret?: string | null;
  secret?: string | null;
  secret_hint?: string | null;
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

export interface Matched {
  matched: number;
  job_id?: string | null;
}

export interface WebhookJob {
  id: string;
  kind: string;
  status: string;
  matched: number;
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

export interface TimelineEntry {
  kind: "event" | "bank" | "webhook";
  id: string;
  sequence: number | null;
  type: string;
  at: string;
  caused_by?: string | null;
  request_id?: string | null;
  topic?: string | null;
  partition?: number | null;
  offset?: number | null;
  state_before?: string | null;
  state_after?: string | null;
  detail?: Record<string, unknown> | null;
}

export interface AnalyticsSummary {
  from: string;
  to: string;
  currency: string;
  volume_minor: number;
  payments_total: number;
  payments_success: number;
  payments_failed: number;
  success_rate: number | null;
  refunded_minor: number;
  refunds_total: number;
  by_method: { method: string; count: number; success: number; volume_minor: number }[];
  by_error_code: { code: string; count: number }[];
  time_to_outcome_ms: { p50: number | null; p95: number | null };
  webhooks: { delivered: number; failed: number; waiting: number; oldest_waiting_seconds: number | null };
  previous: { volume_minor: number; payments_total: number; success_rate: number | null } | null;
}

export interface TimePoint {
  at: string;
  volume_minor: number;
  count: number;
  success: number;
  failed: number;
  refunded_minor: number;
}

export interface RuntimeConfig {
  api_url: string;
  checkout_url: string;
  dashboard_url: string;
  test_mode: boolean;
}
