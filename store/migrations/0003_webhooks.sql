-- Webhooks: endpoints, one row for each event and endpoint with the exact body, every attempt, and durable bulk jobs.
-- The planner inserts delivery rows, the dispatcher changes them; the API only reopens what had ended.
SET LOCAL lock_timeout = '5s';

CREATE TABLE webhooks (
    id                     text COLLATE "C" PRIMARY KEY,
    merchant_id            text COLLATE "C" NOT NULL REFERENCES merchants (id) ON DELETE CASCADE,
    url                    text NOT NULL,
    description            text,
    events                 text[] NOT NULL DEFAULT '{}',
    ordering               text NOT NULL DEFAULT 'per_payment' CHECK (ordering IN ('per_payment', 'none')),
    active                 boolean NOT NULL DEFAULT true,
    disabled_reason        text CHECK (disabled_reason IN ('merchant', 'gone', 'failing')),
    secret_sealed          bytea NOT NULL,
    secret_hint            text NOT NULL,
    previous_secret_sealed bytea,
    previous_expires_at    timestamptz,
    failures_in_a_row      integer NOT NULL DEFAULT 0,
    failing_since          timestamptz,
    is_config              boolean NOT NULL DEFAULT false,
    created_at             timestamptz NOT NULL DEFAULT now(),
    updated_at             timestamptz,
    deleted_at             timestamptz,
    CONSTRAINT webhooks_off_has_a_reason CHECK (active = (disabled_reason IS NULL))
);
CREATE INDEX webhooks_merchant ON webhooks (merchant_id, created_at, id) WHERE deleted_at IS NULL;
CREATE UNIQUE INDEX webhooks_one_config ON webhooks (merchant_id) WHERE is_config AND deleted_at IS NULL;

-- `schedule_from`: attempts made before the schedule was started anew (a manual retry, a replay).
CREATE TABLE webhook_logs (
    id              uuid PRIMARY KEY,
    merchant_id     text COLLATE "C" NOT NULL,
    endpoint_id     text COLLATE "C" NOT NULL,
    event_id        text COLLATE "C" NOT NULL,
    event           text NOT NULL,
    order_id        text COLLATE "C" NOT NULL,
    payment_id      text COLLATE "C",
    sequence        integer NOT NULL,
    body            bytea NOT NULL,
    request_id      text,
    status          text NOT NULL CHECK (status IN ('pending', 'success', 'failed', 'held')),
    attempts        integer NOT NULL DEFAULT 0,
    schedule_from   integer NOT NULL DEFAULT 0,
    replay          boolean NOT NULL DEFAULT false,
    job_id          text COLLATE "C",
    created_at      timestamptz NOT NULL DEFAULT now(),
    last_attempt_at timestamptz,
    next_retry_at   timestamptz,
    response_code   integer,
    CONSTRAINT webhook_logs_once_per_endpoint UNIQUE (event_id, endpoint_id),
    CONSTRAINT webhook_logs_waiting_has_a_time CHECK (status <> 'pending' OR next_retry_at IS NOT NULL)
) WITH (fillfactor = 85);
CREATE INDEX webhook_logs_payment ON webhook_logs (payment_id, endpoint_id, sequence);
CREATE INDEX webhook_logs_merchant ON webhook_logs (merchant_id, created_at DESC, id DESC);
CREATE INDEX webhook_logs_due ON webhook_logs (next_retry_at) WHERE status = 'pending';
CREATE INDEX webhook_logs_held ON webhook_logs (endpoint_id, payment_id, sequence) WHERE status = 'held';
CREATE INDEX webhook_logs_failed ON webhook_logs (merchant_id, created_at DESC, id DESC) WHERE status = 'failed';

CREATE TABLE webhook_attempts (
    log_id          uuid NOT NULL,
    attempt         integer NOT NULL CHECK (attempt > 0),
    at              timestamptz NOT NULL,
    duration_ms     integer NOT NULL,
    url             text NOT NULL,
    request_headers text NOT NULL,
    response_code   integer,
    response_body   text,
    error           text,
    next_retry_at   timestamptz,
    PRIMARY KEY (log_id, attempt)
);

-- Bulk work that survives a crash: `cursor` says how far it came.
CREATE TABLE webhook_jobs (
    id          text COLLATE "C" PRIMARY KEY,
    merchant_id text COLLATE "C" NOT NULL REFERENCES merchants (id) ON DELETE CASCADE,
    kind        text NOT NULL CHECK (kind IN ('replay', 'retry')),
    state       text NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'running', 'done', 'failed')),
    filter      text NOT NULL,
    cursor      text NOT NULL DEFAULT '',
    total       integer NOT NULL,
    done        integer NOT NULL DEFAULT 0,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz
);
CREATE INDEX webhook_jobs_open ON webhook_jobs (created_at) WHERE state IN ('queued', 'running');
