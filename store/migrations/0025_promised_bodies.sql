-- What the request of each promise said, field by field (keyed hashes), as in the inbox: under one Idempotency-Key another
-- request may be the one that is accepted, and a promise to the other is read as refused. Promises from before have none.
SET LOCAL lock_timeout = '5s';

ALTER TABLE promises ADD COLUMN fingerprint text;
