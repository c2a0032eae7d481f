-- Payment links of the Razorpay double lead their payers to an address of the merchant's, with a signature that is made
-- with the secret of the key that made the link.
SET LOCAL lock_timeout = '5s';

ALTER TABLE razorpay_orders
    ADD COLUMN callback_url    text,
    ADD COLUMN callback_key_id text COLLATE "C";
