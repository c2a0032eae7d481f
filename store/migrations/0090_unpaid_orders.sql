-- gateway: concurrent
-- A merchant's orders that are not paid, and among them the abandoned ones, newest first: few among a million that are.
CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_unpaid
    ON orders (merchant_id, created_at DESC, id DESC) WHERE status <> 'PAID';
