-- A bank that changes its word: a payment taken back, a refund carried out although it had failed, and the money that is
-- owed because of either. Defaults are what every row up to now means, so no row is rewritten.
SET LOCAL lock_timeout = '5s';

ALTER TABLE payments
    ADD COLUMN amount_owed bigint  NOT NULL DEFAULT 0,
    ADD COLUMN reversed    boolean NOT NULL DEFAULT false,
    ADD COLUMN bank_turn   integer NOT NULL DEFAULT 0;
ALTER TABLE refunds
    ADD COLUMN bank_turn   integer NOT NULL DEFAULT 0;

-- NOT VALID: checked for every row written from now on, without a look at all those that cannot break it.
ALTER TABLE payments
    ADD CONSTRAINT payments_owed_not_negative CHECK (amount_owed >= 0) NOT VALID,
    ADD CONSTRAINT payments_owed_only_beyond_the_money CHECK (
        CASE WHEN reversed THEN amount_owed >= amount_refunded
             ELSE amount_owed = 0 OR amount_refunded = amount END) NOT VALID,
    ADD CONSTRAINT payments_reversed_only_when_decided CHECK (
        NOT reversed OR status IN ('SUCCESS', 'FAILED')) NOT VALID;

-- What operators have collected of it outside the gateway. `amount`: the owed amount that this settles; what is owed
-- beyond it later is a new debt.
CREATE TABLE owed_settled (
    payment_id text COLLATE "C" PRIMARY KEY,
    amount     bigint NOT NULL CHECK (amount > 0),
    note       text NOT NULL,
    settled_at timestamptz NOT NULL DEFAULT now()
);

-- The simulated bank's books. `turn` counts how often its word changed; `times_moved` how often money moved, there or
-- back: never for an attempt that failed.
ALTER TABLE bank.ledger
    ADD COLUMN turn integer NOT NULL DEFAULT 0;
UPDATE bank.ledger SET times_moved = 0 WHERE outcome = 'failed';
-- Late charges of the version before: those that were told are ordinary ones now, the others are about to be told.
UPDATE bank.ledger SET late_at = NULL WHERE outcome = 'success' AND late_at IS NOT NULL AND notified;
UPDATE bank.ledger SET turn = 1 WHERE outcome = 'success' AND late_at IS NOT NULL;
