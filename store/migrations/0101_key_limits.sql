-- What an API key may be used for, and from where. Empty: everything, from everywhere, as for the keys there are.
SET LOCAL lock_timeout = '5s';

ALTER TABLE api_keys
    ADD COLUMN scopes    text[] NOT NULL DEFAULT '{}',
    ADD COLUMN addresses text[] NOT NULL DEFAULT '{}';
