-- gateway: concurrent
-- A merchant's payment links, few of its many orders, newest first.
CREATE INDEX CONCURRENTLY IF NOT EXISTS orders_links
    ON orders (merchant_id, created_at DESC, id DESC) WHERE link IS NOT NULL;
