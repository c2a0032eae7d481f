-- The partition of `log_offset`: after the log has grown, the same order has offsets on two of them, and they cannot be
-- compared (docs/decisions/0052). Null: decided before this column existed.
SET LOCAL lock_timeout = '5s';

ALTER TABLE commands ADD COLUMN log_partition smallint;
