-- A refusal is a row of its own for each request (command id and nonce), an acceptance one row for each command id. The
-- log's redelivery of a refused request meets its own refusal, whatever later requests with the same key came to.
SET LOCAL lock_timeout = '5s';

-- A settlement is never refused: these rows would keep the bank's answer out for ever.
DELETE FROM commands WHERE rejected AND type IN ('payment.settle', 'refund.settle');

ALTER TABLE commands DROP CONSTRAINT commands_pkey;
ALTER TABLE commands ADD CONSTRAINT commands_pkey PRIMARY KEY USING INDEX commands_requests;

-- What requests were promised with a 202: one row for each, under the identity of its row in the inbox. A later read of
-- the resource finds it here until it is decided. `resource` is JSON in the public shape, as it was answered.
CREATE TABLE promises (
    command_id  text COLLATE "C" NOT NULL,
    nonce       text NOT NULL,
    resource_id text COLLATE "C" NOT NULL,
    order_id    text COLLATE "C" NOT NULL,
    merchant_id text COLLATE "C" NOT NULL,
    resource    text NOT NULL,
    promised_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (command_id, nonce)
);
CREATE INDEX promises_resource_id ON promises (resource_id);
CREATE INDEX promises_promised_at ON promises USING brin (promised_at);
