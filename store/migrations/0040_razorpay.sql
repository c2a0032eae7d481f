-- The Razorpay test double (docs/RAZORPAY.md): what applications written for Razorpay say and our own orders, payments
-- and refunds have no column for. Only the double writes here; no decision depends on any of it.
SET LOCAL lock_timeout = '5s';

-- Secrets of API keys that have called the double. Its signatures need the secret itself, so it is sealed here, as a
-- webhook secret is, beside the keyed hash in api_keys. Test mode only.
CREATE TABLE razorpay_keys (
    key_id        text COLLATE "C" PRIMARY KEY REFERENCES api_keys (id) ON DELETE CASCADE,
    secret_sealed bytea NOT NULL
);

-- `notes`: as they were changed; null: as the order was created. `payer`: what the checkout was last opened with.
CREATE TABLE razorpay_orders (
    order_id                text COLLATE "C" PRIMARY KEY,
    merchant_id             text COLLATE "C" NOT NULL REFERENCES merchants (id) ON DELETE CASCADE,
    captures                boolean NOT NULL,
    authorizes_late         boolean NOT NULL DEFAULT false,
    captures_within_minutes integer CHECK (captures_within_minutes > 0),
    customer_id             text COLLATE "C",
    notes                   jsonb,
    payer                   jsonb
);

CREATE TABLE razorpay_payments (
    payment_id  text COLLATE "C" PRIMARY KEY,
    merchant_id text COLLATE "C" NOT NULL REFERENCES merchants (id) ON DELETE CASCADE,
    payer       jsonb,
    notes       jsonb
);

CREATE TABLE razorpay_refunds (
    refund_id   text COLLATE "C" PRIMARY KEY,
    merchant_id text COLLATE "C" NOT NULL REFERENCES merchants (id) ON DELETE CASCADE,
    receipt     text,
    speed       text NOT NULL DEFAULT 'normal' CHECK (speed IN ('normal', 'optimum')),
    notes       jsonb
);

CREATE TABLE razorpay_customers (
    id          text COLLATE "C" PRIMARY KEY,
    merchant_id text COLLATE "C" NOT NULL REFERENCES merchants (id) ON DELETE CASCADE,
    name        text,
    email       text,
    contact     text,
    gstin       text,
    notes       jsonb NOT NULL DEFAULT '{}',
    created_at  timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX razorpay_customers_one_each ON razorpay_customers (merchant_id, email, contact) NULLS NOT DISTINCT
    WHERE email IS NOT NULL OR contact IS NOT NULL;
CREATE INDEX razorpay_customers_merchant ON razorpay_customers (merchant_id, created_at DESC, id DESC);

-- An endpoint of the double's format: the events by the double's names; `events` has ours. Null: our own format.
ALTER TABLE webhooks
    ADD COLUMN razorpay_events text[],
    ADD COLUMN razorpay_alert_email text;
