-- The heart: merchants and their keys; orders, payments, refunds (the folded state); events; the inbox.
-- Data-plane rows are written by the payment actor alone, in one statement for each batch. They carry no foreign
-- keys among themselves: the actor is their only writer, and `gateway verify` checks every reference.
SET LOCAL lock_timeout = '5s';

CREATE TABLE merchants (
    id                        text COLLATE "C" PRIMARY KEY,
    name                      text NOT NULL,
    email                     text NOT NULL,
    password_hash             text NOT NULL,
    allowed_origins           text[] NOT NULL DEFAULT '{}',
    browser_orders_enabled    boolean NOT NULL DEFAULT false,
    browser_orders_max_amount bigint CHECK (browser_orders_max_amount >= 100),
    created_at                timestamptz NOT NULL DEFAULT now(),
    updated_at                timestamptz
);
CREATE UNIQUE INDEX merchants_email ON merchants (lower(email));

CREATE TABLE api_keys (
    id           text COLLATE "C" PRIMARY KEY,
    merchant_id  text COLLATE "C" NOT NULL REFERENCES merchants (id) ON DELETE CASCADE,
    key          text COLLATE "C" NOT NULL UNIQUE,
    secret_hash  bytea NOT NULL,
    name         text NOT NULL DEFAULT 'Default',
    created_at   timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz,
    expires_at   timestamptz,
    revoked_at   timestamptz
);
CREATE INDEX api_keys_merchant_id ON api_keys (merchant_id);

CREATE TABLE orders (
    id            text COLLATE "C" PRIMARY KEY,
    merchant_id   text COLLATE "C" NOT NULL,
    amount        bigint NOT NULL CHECK (amount >= 100),
    currency      text NOT NULL,
    receipt       text,
    notes         text NOT NULL DEFAULT '{}',
    status        text NOT NULL CHECK (status IN ('CREATED', 'PAID')),
    version       integer NOT NULL CHECK (version > 0),
    last_event_at timestamptz NOT NULL,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz
) WITH (fillfactor = 80);
CREATE INDEX orders_merchant_created ON orders (merchant_id, created_at DESC, id DESC);

CREATE TABLE payments (
    id                text COLLATE "C" PRIMARY KEY,
    order_id          text COLLATE "C" NOT NULL,
    merchant_id       text COLLATE "C" NOT NULL,
    amount            bigint NOT NULL CHECK (amount >= 100),
    currency          text NOT NULL,
    method            text NOT NULL CHECK (method IN ('upi', 'card')),
    status            text NOT NULL CHECK (status IN ('CREATED', 'PROCESSING', 'SUCCESS', 'FAILED')),
    captured          boolean NOT NULL,
    amount_refunded   bigint NOT NULL,
    vpa               text,
    card_network      text,
    card_last4        text,
    error_code        text,
    error_description text,
    token             text NOT NULL,
    bank_reference    text,
    deadline_at       timestamptz NOT NULL,
    version           integer NOT NULL CHECK (version > 0),
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz,
    CONSTRAINT payments_refunds_within_amount CHECK (amount_refunded BETWEEN 0 AND amount),
    CONSTRAINT payments_captured_only_when_successful CHECK (NOT captured OR status = 'SUCCESS'),
    CONSTRAINT payments_one_instrument CHECK ((vpa IS NULL) = (method = 'card'))
) WITH (fillfactor = 80);
CREATE INDEX payments_order_id ON payments (order_id);
CREATE UNIQUE INDEX payments_one_success_per_order ON payments (order_id) WHERE status = 'SUCCESS';
CREATE INDEX payments_merchant_created ON payments (merchant_id, created_at DESC, id DESC);
CREATE INDEX payments_merchant_failed ON payments (merchant_id, created_at DESC, id DESC) WHERE status = 'FAILED';
CREATE INDEX payments_undecided ON payments (deadline_at) WHERE status IN ('CREATED', 'PROCESSING');

CREATE TABLE refunds (
    id                text COLLATE "C" PRIMARY KEY,
    payment_id        text COLLATE "C" NOT NULL,
    order_id          text COLLATE "C" NOT NULL,
    merchant_id       text COLLATE "C" NOT NULL,
    amount            bigint NOT NULL CHECK (amount > 0),
    currency          text NOT NULL,
    reason            text,
    status            text NOT NULL CHECK (status IN ('PENDING', 'PROCESSED', 'FAILED')),
    automatic         boolean NOT NULL,
    error_code        text,
    error_description text,
    bank_reference    text,
    deadline_at       timestamptz NOT NULL,
    version           integer NOT NULL CHECK (version > 0),
    created_at        timestamptz NOT NULL,
    processed_at      timestamptz,
    updated_at        timestamptz
) WITH (fillfactor = 80);
CREATE INDEX refunds_payment_id ON refunds (payment_id);
CREATE INDEX refunds_order_id ON refunds (order_id);
CREATE INDEX refunds_merchant_created ON refunds (merchant_id, created_at DESC, id DESC);
CREATE INDEX refunds_pending ON refunds (deadline_at) WHERE status = 'PENDING';

-- Append-only. `txid` orders events for readers: an event is shown once every transaction that began before its own
-- has ended, so a reader that resumes after the last one it saw misses none (GET /events).
CREATE TABLE events (
    order_id    text COLLATE "C" NOT NULL,
    sequence    integer NOT NULL CHECK (sequence > 0),
    merchant_id text COLLATE "C" NOT NULL,
    type        text NOT NULL,
    at          timestamptz NOT NULL,
    txid        xid8 NOT NULL DEFAULT pg_current_xact_id(),
    payload     text NOT NULL,
    PRIMARY KEY (order_id, sequence)
);
CREATE INDEX events_feed ON events (merchant_id, txid, order_id, sequence);
CREATE INDEX events_at ON events USING brin (at);

-- The inbox: one row for each command that was decided. With an Idempotency-Key the id is derived from it, so this
-- row is the idempotency record too. `reply` is the resource as answered, or the refusal where `rejected`.
CREATE TABLE commands (
    id             text COLLATE "C" PRIMARY KEY,
    order_id       text COLLATE "C" NOT NULL,
    type           text NOT NULL,
    nonce          text NOT NULL,
    fingerprint    text,
    rejected       boolean NOT NULL,
    reply          text NOT NULL,
    first_sequence integer NOT NULL,
    event_count    smallint NOT NULL,
    decided_at     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX commands_decided_at ON commands USING brin (decided_at);

-- The simulated bank's own books, in a schema of its own: nobody but the bank adapter writes here.
CREATE SCHEMA bank;
CREATE TABLE bank.ledger (
    attempt_id   text COLLATE "C" PRIMARY KEY,
    kind         text NOT NULL CHECK (kind IN ('charge', 'refund')),
    of_attempt   text COLLATE "C",
    amount       bigint NOT NULL CHECK (amount > 0),
    currency     text NOT NULL,
    outcome      text NOT NULL CHECK (outcome IN ('success', 'failed')),
    error_code   text,
    reference    text NOT NULL,
    times_moved  integer NOT NULL DEFAULT 1,
    times_asked  integer NOT NULL DEFAULT 1,
    late_at      timestamptz,
    notified     boolean NOT NULL DEFAULT false,
    recorded_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX ledger_late ON bank.ledger (late_at) WHERE late_at IS NOT NULL AND NOT notified;
