-- What the dashboard counts of webhook deliveries, by merchant and time. Partial: each delivery is in one of them.
SET LOCAL lock_timeout = '5s';

CREATE INDEX webhook_logs_delivered ON webhook_logs (merchant_id, created_at) WHERE status = 'success';
CREATE INDEX webhook_logs_waiting ON webhook_logs (merchant_id, created_at) WHERE status IN ('pending', 'held');
