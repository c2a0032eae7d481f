-- A debt that was settled can shrink to nothing, because the bank turned back. Once that is settled, too, nothing of it is
-- settled any more.
SET LOCAL lock_timeout = '5s';

ALTER TABLE owed_settled DROP CONSTRAINT owed_settled_amount_check;
ALTER TABLE owed_settled ADD CONSTRAINT owed_settled_amount_check CHECK (amount >= 0);
