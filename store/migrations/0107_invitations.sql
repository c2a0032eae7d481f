-- Links by which somebody becomes a user, and links by which a user sets a new password. Each works once and for a while.
-- Only the hash of a link's token is kept: whoever reads the database cannot use one.
SET LOCAL lock_timeout = '5s';

CREATE TABLE invitations (
    id          text COLLATE "C" PRIMARY KEY,
    merchant_id text COLLATE "C" NOT NULL REFERENCES merchants (id) ON DELETE CASCADE,
    email       text        NOT NULL,
    role        text        NOT NULL CHECK (role IN ('owner', 'developer', 'support', 'finance')),
    token_hash  bytea       NOT NULL UNIQUE,
    invited_by  text COLLATE "C" NOT NULL,
    created_at  timestamptz NOT NULL,
    expires_at  timestamptz NOT NULL,
    accepted_at timestamptz,
    revoked_at  timestamptz
);
CREATE INDEX invitations_open ON invitations (merchant_id) WHERE accepted_at IS NULL AND revoked_at IS NULL;

CREATE TABLE password_resets (
    token_hash bytea PRIMARY KEY,
    user_id    text COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at    timestamptz
);
CREATE INDEX password_resets_user_id ON password_resets (user_id);

-- Sessions that began before are over: whoever sets a new password signs everybody else out, whatever Redis does.
ALTER TABLE users ADD COLUMN sessions_from timestamptz;
