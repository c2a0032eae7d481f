-- gateway: concurrent
-- The instrument of the payments that were made before 0021: 5,000 rows a step, each step a transaction of its own.
-- payments_pkey
UPDATE payments
   SET instrument = coalesce(instrument, CASE method
           WHEN 'upi' THEN jsonb_build_object('vpa', vpa)
           ELSE jsonb_build_object('card_network', card_network, 'card_last4', card_last4)
       END)
 WHERE id IN (SELECT id FROM payments WHERE id > $1 ORDER BY id LIMIT 5000)
RETURNING id;
ALTER TABLE payments VALIDATE CONSTRAINT payments_instrument;
