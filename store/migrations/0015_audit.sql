-- What the audit compares beside the events: where a command stands in the feed, what an endpoint subscribed to and
-- since when, how often the log was given a delivery in vain, how far the audit has come, and whose history this is.
SET LOCAL lock_timeout = '5s';

-- The name of this deployment's history. It travels with a backup; an anchor of another history names another one.
CREATE TABLE deployment (
    id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    created_at timestamptz NOT NULL DEFAULT now(),
    single     boolean NOT NULL DEFAULT true UNIQUE CHECK (single)
);
INSERT INTO deployment DEFAULT VALUES;

-- A command's row and its events are written by one transaction. So the row says where in the feed the events belong.
-- Rows from before have none; adding the default afterwards spares a rewrite of the table.
ALTER TABLE commands ADD COLUMN txid xid8;
ALTER TABLE commands ALTER COLUMN txid SET DEFAULT pg_current_xact_id();

-- How often in a row the upkeep put the delivery's attempt on the log again without an attempt being recorded.
ALTER TABLE webhook_logs ADD COLUMN nudges integer NOT NULL DEFAULT 0;

-- What each endpoint subscribed to, and from when on. Kept by a trigger: also a change made by hand is remembered, and
-- a change of anything else (the circuit breaker, a description) is not one.
CREATE TABLE webhook_filters (
    endpoint_id text COLLATE "C" NOT NULL,
    since       timestamptz NOT NULL,
    events      text[] NOT NULL,
    PRIMARY KEY (endpoint_id, since)
);
INSERT INTO webhook_filters (endpoint_id, since, events)
SELECT id, greatest(created_at, updated_at), events FROM webhooks;

CREATE FUNCTION remember_webhook_filter() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO webhook_filters (endpoint_id, since, events)
    VALUES (NEW.id, CASE WHEN TG_OP = 'INSERT' THEN NEW.created_at ELSE clock_timestamp() END, NEW.events)
        ON CONFLICT (endpoint_id, since) DO UPDATE SET events = excluded.events;
    RETURN NULL;
END
$$;
CREATE TRIGGER webhooks_filter_made AFTER INSERT ON webhooks
    FOR EACH ROW EXECUTE FUNCTION remember_webhook_filter();
CREATE TRIGGER webhooks_filter_changed AFTER UPDATE OF events ON webhooks
    FOR EACH ROW WHEN (OLD.events IS DISTINCT FROM NEW.events) EXECUTE FUNCTION remember_webhook_filter();

-- One row for each audit that ended: `whole` compares everything, the others what moved since the one before.
CREATE TABLE audits (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    whole       boolean NOT NULL,
    started_at  timestamptz NOT NULL,
    finished_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    events      bigint NOT NULL,
    differences jsonb NOT NULL
);
CREATE INDEX audits_latest ON audits (whole, finished_at DESC);
