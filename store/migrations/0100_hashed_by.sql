-- Under which of the gateway's keys an API secret is hashed: that key's tag (runtime/keyring.py). Null: a release before this
-- column wrote the hash; the key's next use fills it in.
SET LOCAL lock_timeout = '5s';

ALTER TABLE api_keys ADD COLUMN hashed_by bytea;
