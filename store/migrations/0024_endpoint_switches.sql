-- Every switch of an endpoint, for the live feed. The one column in `webhooks` forgot the first of two quick switches.
SET LOCAL lock_timeout = '5s';

CREATE TABLE endpoint_switches (
    endpoint_id text COLLATE "C" NOT NULL,
    at          timestamptz NOT NULL,
    merchant_id text COLLATE "C" NOT NULL,
    event       text NOT NULL,
    PRIMARY KEY (endpoint_id, at)
);
CREATE INDEX endpoint_switches_merchant ON endpoint_switches (merchant_id, at);

ALTER TABLE webhooks
    DROP COLUMN switched_at,
    DROP COLUMN switched_event;
