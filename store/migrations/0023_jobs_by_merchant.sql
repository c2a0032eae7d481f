-- gateway: concurrent
-- Open jobs by merchant, the least recently served first: the forwarder serves one job of each merchant in turn, and
-- the number of a merchant's open jobs is bounded.
CREATE INDEX CONCURRENTLY IF NOT EXISTS webhook_jobs_in_turn
    ON webhook_jobs (merchant_id, (COALESCE(updated_at, created_at))) WHERE state IN ('queued', 'running');
DROP INDEX CONCURRENTLY IF EXISTS webhook_jobs_open;
