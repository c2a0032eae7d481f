-- What the dashboard needs beside the heart: analytics rollups with the place up to which each merchant's events are
-- folded in, and the indexes of the payment list's filters. Sessions live in Redis.
SET LOCAL lock_timeout = '5s';

-- One row for each number that moved in a stretch of time. A merchant's events are folded in once each: rollups and
-- rollup_progress change in one transaction. `measure` and `label` are spelt in store/measures.py. Stretches are
-- quarters of an hour (every time zone's midnight is on one) and, so that a year stays a short read, UTC days.
CREATE TABLE rollups (
    merchant_id   text COLLATE "C" NOT NULL,
    grain_minutes smallint NOT NULL CHECK (grain_minutes IN (15, 1440)),
    measure       text COLLATE "C" NOT NULL,
    starts_at     timestamptz NOT NULL,
    label         text COLLATE "C" NOT NULL,
    count         bigint NOT NULL,
    amount_minor  bigint NOT NULL,
    PRIMARY KEY (merchant_id, grain_minutes, measure, starts_at, label)
) WITH (fillfactor = 80);

-- (txid, order_id, sequence) of the last event that is folded in: the order of the merchant's feed.
CREATE TABLE rollup_progress (
    merchant_id text COLLATE "C" PRIMARY KEY,
    txid        xid8 NOT NULL DEFAULT '0',
    order_id    text COLLATE "C" NOT NULL DEFAULT '',
    sequence    integer NOT NULL DEFAULT 0
);
