-- Attempts are kept for WEBHOOK_ATTEMPT_RETENTION_DAYS; written in the order of time, so a small BRIN index finds the old.
CREATE INDEX webhook_attempts_at ON webhook_attempts USING brin (at);
