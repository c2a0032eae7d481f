-- gateway: concurrent
-- For 0012: one row a request; one acceptance a command. Without an Idempotency-Key the nonce is '', so that
-- commands_requests alone keeps the id unique.
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS commands_requests ON commands (id, nonce);
CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS commands_accepted ON commands (id) WHERE NOT rejected AND nonce <> '';
