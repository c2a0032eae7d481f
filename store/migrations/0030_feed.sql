-- The feed has numbers of its own. Until now a transaction's id ordered it: those do not survive a dump and restore, and
-- one idle transaction held back every event after it. Now the feeder (agents/jobs/feeder.py) numbers each event once it
-- is on the log, under one lock, so a place becomes visible before the next one is given.
SET LOCAL lock_timeout = '5s';

CREATE TABLE feed (
    merchant_id text COLLATE "C" NOT NULL,
    place       bigint NOT NULL,
    order_id    text COLLATE "C" NOT NULL,
    sequence    integer NOT NULL,
    PRIMARY KEY (merchant_id, place)
);

-- One row. `reads_since`: where to begin on a partition without a position; NULL: at its first record.
CREATE TABLE feed_state (
    single      boolean PRIMARY KEY DEFAULT true CHECK (single),
    last_place  bigint NOT NULL,
    reads_since timestamptz
);
-- How far each partition of the events topic is numbered; every event before `known_offset` was in the table.
CREATE TABLE feed_positions (
    partition    integer PRIMARY KEY,
    next_offset  bigint NOT NULL,
    known_offset bigint NOT NULL
);
-- A database that fell behind the log gives places away a second time. From then on another epoch counts: a cursor of an
-- earlier one holds up to `after_place`.
CREATE TABLE feed_epochs (
    epoch       integer PRIMARY KEY,
    after_place bigint NOT NULL,
    began_at    timestamptz NOT NULL DEFAULT now()
);
INSERT INTO feed_epochs (epoch, after_place) VALUES (1, 0);

-- What is there keeps its order.
INSERT INTO feed (merchant_id, place, order_id, sequence)
SELECT merchant_id, row_number() OVER (ORDER BY txid, order_id, sequence), order_id, sequence FROM events;
INSERT INTO feed_state (last_place, reads_since)
SELECT count(*), CASE WHEN count(*) > 0 THEN now() - interval '1 day' END FROM feed;
CREATE UNIQUE INDEX feed_event ON feed (order_id, sequence);

ALTER TABLE rollup_progress ADD COLUMN place bigint NOT NULL DEFAULT 0;
UPDATE rollup_progress p
   SET place = f.place
  FROM feed f
 WHERE f.order_id = p.order_id
   AND f.sequence = p.sequence;
ALTER TABLE rollup_progress DROP COLUMN txid, DROP COLUMN order_id, DROP COLUMN sequence;

UPDATE webhook_jobs j
   SET cursor = f.place::text
  FROM feed f
 WHERE j.kind = 'replay'
   AND j.state IN ('queued', 'running')
   AND f.order_id = split_part(j.cursor, ',', 2)
   AND f.sequence::text = split_part(j.cursor, ',', 3);

-- A command's place in the feed was that of its transaction.
ALTER TABLE commands DROP COLUMN txid;
