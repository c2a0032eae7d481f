-- The simulated bank's books know attempts that wait for their payer. `step`: what the payer has to do, or `silence`
-- where the bank gives no answer until late_at. `late_at`: when a waiting attempt is given up, and once the payer has
-- decided it, when that happened, so that the index of what is to be notified finds it.
SET LOCAL lock_timeout = '5s';

ALTER TABLE bank.ledger
    ADD COLUMN step text CHECK (step IN ('redirect', 'otp', 'silence')),
    DROP CONSTRAINT ledger_outcome_check;
-- NOT VALID: rows of before have one of the two outcomes.
ALTER TABLE bank.ledger
    ADD CONSTRAINT ledger_outcome CHECK (
        outcome IN ('success', 'failed') OR (outcome = 'waiting' AND step IS NOT NULL AND late_at IS NOT NULL)
    ) NOT VALID;
