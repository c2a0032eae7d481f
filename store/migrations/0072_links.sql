-- Payment links: an order with a face. Null: it is none.
SET LOCAL lock_timeout = '5s';

ALTER TABLE orders ADD COLUMN link text;
