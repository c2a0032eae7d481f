-- gateway: concurrent
-- Only promises of a payment with its order: none when it is built.
CREATE INDEX CONCURRENTLY IF NOT EXISTS promises_order_id ON promises (order_id) WHERE order_resource IS NOT NULL;
