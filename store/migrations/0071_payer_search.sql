-- gateway: concurrent
-- The payment list's search: how a payer's e-mail address, name or number, or the order's receipt begin. A payment without
-- one is not in its index, so no query takes it for an order to read a merchant's payments in.
CREATE INDEX CONCURRENTLY IF NOT EXISTS payments_email
    ON payments (merchant_id, lower(email) text_pattern_ops) WHERE email IS NOT NULL;
CREATE INDEX CONCURRENTLY IF NOT EXISTS payments_name
    ON payments (merchant_id, lower(name) text_pattern_ops) WHERE name IS NOT NULL;
CREATE INDEX CONCURRENTLY IF NOT EXISTS payments_contact
    ON payments (merchant_id, contact text_pattern_ops) WHERE contact IS NOT NULL;
CREATE INDEX CONCURRENTLY IF NOT EXISTS payments_receipt
    ON payments (merchant_id, receipt text_pattern_ops) WHERE receipt IS NOT NULL;
