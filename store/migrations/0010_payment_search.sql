-- The payment list's search: how a payer's address or a card's last digits begin. Addresses know no upper case.
-- The merchant comes second, so that no other question mistakes this for an order to read a merchant's payments in.
SET LOCAL lock_timeout = '5s';

CREATE INDEX payments_payer ON payments (coalesce(lower(vpa), card_last4) text_pattern_ops, merchant_id);
