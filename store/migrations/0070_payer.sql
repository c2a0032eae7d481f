-- Who pays and for what, and the order's own reference and texts, on the payment itself. Defaults are what every payment up
-- to now means: its events carry none of it.
SET LOCAL lock_timeout = '5s';

ALTER TABLE payments
    ADD COLUMN name        text,
    ADD COLUMN email       text,
    ADD COLUMN contact     text,
    ADD COLUMN description text,
    ADD COLUMN receipt     text,
    ADD COLUMN notes       text NOT NULL DEFAULT '{}';
