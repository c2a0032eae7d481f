-- The sweeper's own schedule: when the bank is asked next about an attempt that has no outcome past its deadline.
-- A row is made with the first question and removed once the attempt is closed. Payments and refunds stay the actor's.
SET LOCAL lock_timeout = '5s';

CREATE TABLE bank_questions (
    attempt_id text COLLATE "C" NOT NULL,
    kind       text NOT NULL CHECK (kind IN ('payment', 'refund', 'return')),
    asked      integer NOT NULL CHECK (asked > 0),
    answered   integer NOT NULL DEFAULT 0 CHECK (answered >= 0),
    next_at    timestamptz NOT NULL,
    PRIMARY KEY (attempt_id, kind)
) WITH (fillfactor = 80);
