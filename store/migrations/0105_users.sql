-- The users of a merchant, each with a login and a role of their own. The merchant's own login becomes its first owner.
-- merchants.email and merchants.password_hash stay: the release before signs in by them, and its sign-ups get their
-- owner from the trigger. A user who is removed keeps the row: the audit log names it.
SET LOCAL lock_timeout = '5s';

CREATE TABLE users (
    id            text COLLATE "C" PRIMARY KEY,
    merchant_id   text COLLATE "C" NOT NULL REFERENCES merchants (id) ON DELETE CASCADE,
    email         text        NOT NULL,
    password_hash text        NOT NULL,
    role          text        NOT NULL CHECK (role IN ('owner', 'developer', 'support', 'finance')),
    created_at    timestamptz NOT NULL DEFAULT now(),
    last_login_at timestamptz,
    removed_at    timestamptz
);
CREATE UNIQUE INDEX users_email ON users (lower(email)) WHERE removed_at IS NULL;
CREATE INDEX users_merchant_id ON users (merchant_id);

CREATE FUNCTION merchants_have_an_owner() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO users (id, merchant_id, email, password_hash, role, created_at)
    VALUES ('user_' || regexp_replace(NEW.id, '^mrc_', ''), NEW.id, NEW.email, NEW.password_hash, 'owner', NEW.created_at)
    ON CONFLICT (id) DO NOTHING;
    RETURN NULL;
END
$$;
CREATE TRIGGER merchants_have_an_owner AFTER INSERT OR UPDATE OF password_hash ON merchants
    FOR EACH ROW EXECUTE FUNCTION merchants_have_an_owner();

-- How much of one payment the role `support` may refund. Null: nothing.
ALTER TABLE merchants
    ADD COLUMN support_refund_max_amount bigint CHECK (support_refund_max_amount > 0),
    ADD COLUMN support_refund_currency   text;
