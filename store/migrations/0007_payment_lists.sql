-- The list of captured payments: few of a merchant's many, so without an index of its own it would read all of them.
SET LOCAL lock_timeout = '5s';

CREATE INDEX payments_merchant_captured ON payments (merchant_id, created_at DESC, id DESC) WHERE captured;
