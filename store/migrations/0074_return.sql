-- Back to the shop: where the payer of an order returns to, and what the merchant checks the way back by. A secret is sealed
-- as a webhook's is; null: nobody has needed one yet.
SET LOCAL lock_timeout = '5s';

ALTER TABLE orders ADD COLUMN return_url text;
ALTER TABLE merchants
    ADD COLUMN return_secret_sealed              bytea,
    ADD COLUMN previous_return_secret_sealed     bytea,
    ADD COLUMN previous_return_secret_expires_at timestamptz,
    ADD CONSTRAINT merchants_previous_return_secret CHECK (
        (previous_return_secret_sealed IS NULL) = (previous_return_secret_expires_at IS NULL));
