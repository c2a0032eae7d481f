-- Where the record stands that a command was decided from. When that very record is read again, its events are published
-- again; another record of the same command, a forgery or one that came too early, publishes nothing
-- (docs/decisions/0052). Null: decided before this column existed.
SET LOCAL lock_timeout = '5s';

ALTER TABLE commands ADD COLUMN log_offset bigint;
