-- gateway: concurrent
-- Orders by the merchant's own reference: the whole of it, or how it begins.
CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_receipt
    ON orders (merchant_id, receipt text_pattern_ops) WHERE receipt IS NOT NULL;
