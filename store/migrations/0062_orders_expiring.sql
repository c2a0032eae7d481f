-- gateway: concurrent
-- Orders whose time may be over: only those that are open and have an end, few of all.
CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_expiring
    ON orders (expires_at) WHERE status = 'CREATED' AND expires_at IS NOT NULL;
