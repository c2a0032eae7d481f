-- gateway: concurrent
-- Payments that must be captured by a certain time: only those that still wait for it.
CREATE INDEX CONCURRENTLY IF NOT EXISTS payments_capture_before
    ON payments (capture_before) WHERE capture_before IS NOT NULL;
