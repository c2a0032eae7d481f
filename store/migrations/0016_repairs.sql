-- Append-only: which repair an operator made to what, and when.
SET LOCAL lock_timeout = '5s';

CREATE TABLE repairs (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind    text NOT NULL,
    subject text NOT NULL,
    did     text NOT NULL,
    actor   text NOT NULL,
    at      timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX repairs_subject ON repairs (subject);

-- What the role `auditor` goes on from: where the next audit of what moved begins.
ALTER TABLE audits RENAME COLUMN started_at TO resumes_at;
