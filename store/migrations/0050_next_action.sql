-- The step that a bank needs of the payer before it decides: type, url and expires_at, as the API shows them. Null
-- once there is an outcome, and for every row up to now.
SET LOCAL lock_timeout = '5s';

ALTER TABLE payments ADD COLUMN next_action jsonb;
-- NOT VALID: no row of today can break it.
ALTER TABLE payments ADD CONSTRAINT payments_action_only_while_processing CHECK (
    next_action IS NULL
    OR (status = 'PROCESSING' AND next_action ?& ARRAY['type', 'url', 'expires_at'])) NOT VALID;
