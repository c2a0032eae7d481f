-- How many partitions the log's keyed topics have, and have had: another number would send orders to other actors
-- (docs/decisions/0034). The largest is in force.
SET LOCAL lock_timeout = '5s';

CREATE TABLE log_partitions (
    partitions integer PRIMARY KEY CHECK (partitions BETWEEN 1 AND 256),
    since      timestamptz NOT NULL DEFAULT now()
);
-- One row while the log grows: until then nothing new is asked of it. It opens by itself, whatever becomes of the
-- command that closed it.
CREATE TABLE log_closed (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    until  timestamptz NOT NULL
);
