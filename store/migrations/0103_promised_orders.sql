-- A payment that was promised with its order names the order in its answer, so a read of the order finds the promise, too.
SET LOCAL lock_timeout = '5s';

ALTER TABLE promises ADD COLUMN order_resource text;
