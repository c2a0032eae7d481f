-- gateway: concurrent
-- Debts, few rows: what operators and merchants look for.
CREATE INDEX CONCURRENTLY IF NOT EXISTS payments_owed ON payments (merchant_id, updated_at) WHERE amount_owed > 0;
