-- A discard can be taken back, and the loop guard knows what a letter was about: a delivery that is replayed, retried
-- and given up again leaves a letter with another id, on which the headers of the replay are not.
SET LOCAL lock_timeout = '5s';

ALTER TABLE dlq_actions DROP CONSTRAINT dlq_actions_action_check;
ALTER TABLE dlq_actions ADD CONSTRAINT dlq_actions_action_check
    CHECK (action IN ('replayed', 'discarded', 'reopened'));

-- The id of the command or delivery in the letter; null where it could not be read.
ALTER TABLE dlq_actions ADD COLUMN subject text COLLATE "C";
