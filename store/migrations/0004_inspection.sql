-- What the command line's inspection needs: dead letters that were dealt with (an audit), replays that survive a kill,
-- and the way from a request id to its order.
SET LOCAL lock_timeout = '5s';

-- Only events that begin something carry a request id worth looking up; what follows from them has the same order.
CREATE INDEX events_request_id ON events (split_part(split_part(payload, '"request_id":"', 2), '"', 1))
 WHERE type IN ('order.created', 'payment.created', 'payment.captured', 'refund.created');

-- One row for each replay that was begun.
CREATE TABLE dlq_replays (
    id          text COLLATE "C" PRIMARY KEY,
    topic       text NOT NULL,
    selection   text NOT NULL,
    actor       text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    finished_at timestamptz
);

-- One row for each letter that a replay touches: written as `sending` before, as `sent` after. A letter that is found
-- `sending` was interrupted, and the log is asked whether it arrived.
CREATE TABLE dlq_replay_records (
    replay_id  text COLLATE "C" NOT NULL REFERENCES dlq_replays (id),
    letter_id  text COLLATE "C" NOT NULL,
    state      text NOT NULL CHECK (state IN ('sending', 'sent')),
    to_topic   text NOT NULL,
    partition  integer NOT NULL,
    "offset"   bigint,
    sending_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    sent_at    timestamptz,
    PRIMARY KEY (replay_id, letter_id),
    CONSTRAINT dlq_replay_sent_has_a_place CHECK ((state = 'sent') = ("offset" IS NOT NULL))
);
CREATE INDEX dlq_replay_records_letter ON dlq_replay_records (letter_id);

-- Append-only: who did what to which letter, and why.
CREATE TABLE dlq_actions (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    letter_id text COLLATE "C" NOT NULL,
    topic     text NOT NULL,
    action    text NOT NULL CHECK (action IN ('replayed', 'discarded')),
    reason    text NOT NULL,
    actor     text NOT NULL,
    replay_id text COLLATE "C",
    at        timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX dlq_actions_letter ON dlq_actions (letter_id, id);
CREATE UNIQUE INDEX dlq_actions_once_a_replay ON dlq_actions (replay_id, letter_id) WHERE replay_id IS NOT NULL;
