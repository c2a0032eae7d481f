-- Records on the events topic that an operator has declared foreign: nothing of this gateway wrote them. A log cannot be
-- edited, so without this a forged event would keep its partition closed for ever (docs/decisions/0020).
SET LOCAL lock_timeout = '5s';

CREATE TABLE disowned_events (
    order_id    text COLLATE "C" NOT NULL,
    sequence    integer NOT NULL,
    digest      text NOT NULL,
    note        text NOT NULL,
    disowned_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (order_id, sequence, digest)
);
