-- gateway: concurrent
-- Orders of the Razorpay double that are captured only for a time, as the sweeper looks for them. The actor captures all
-- others by itself, so this holds the few whose time is not over.
CREATE INDEX CONCURRENTLY IF NOT EXISTS razorpay_orders_captures ON razorpay_orders (order_id) WHERE captures;
