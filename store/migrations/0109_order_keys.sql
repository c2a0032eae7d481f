-- Keys of personal fields (docs/decisions/0049). A row is a node of its day's tree: every order below it has a key that
-- follows from the node's. At first a day has its root; erasing an order replaces the node above it by the nodes beside the
-- way to it. `id`: the day and the way to the node, `20261130/3fa`; the key is sealed with the gateway's own.
SET LOCAL lock_timeout = '5s';

CREATE TABLE order_keys (
    id         text        PRIMARY KEY,
    day        date        NOT NULL,
    key_sealed bytea       NOT NULL,
    made_at    timestamptz NOT NULL DEFAULT now()
);

-- Orders whose keys were forgotten on purpose.
CREATE TABLE erased_orders (
    order_id  text        PRIMARY KEY,
    erased_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX order_keys_day ON order_keys (day);
