-- A user's second factor: the sealed seed of an authenticator app, and recovery codes as hashes. second_factor_from is
-- null until a first code has confirmed the seed. second_factor_step is the last 30-second step whose code was used, so
-- no code works twice; second_factor_wrong counts wrong codes since the last right one.
SET LOCAL lock_timeout = '5s';

ALTER TABLE users
    ADD COLUMN second_factor_sealed bytea,
    ADD COLUMN second_factor_from   timestamptz,
    ADD COLUMN second_factor_step   bigint,
    ADD COLUMN second_factor_wrong  integer NOT NULL DEFAULT 0;

CREATE TABLE recovery_codes (
    user_id   text COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    code_hash bytea       NOT NULL,
    used_at   timestamptz,
    PRIMARY KEY (user_id, code_hash)
);

ALTER TABLE merchants ADD COLUMN second_factor_required boolean NOT NULL DEFAULT false;

ALTER TABLE password_resets ADD COLUMN ends_second_factor boolean NOT NULL DEFAULT false;
