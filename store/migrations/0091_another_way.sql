-- Another way to pay: an undecided payment may be left (`cancellation`), one may begin with a scan (its instrument then has a
-- `flow` and no address), and a merchant names the UPI address that its QR codes pay to.
SET LOCAL lock_timeout = '5s';

ALTER TABLE merchants ADD COLUMN upi_payee text;
ALTER TABLE payments ADD COLUMN cancellation text;
-- NOT VALID: no row of today can break it.
ALTER TABLE payments ADD CONSTRAINT payments_cancellation_only_while_processing CHECK (
    cancellation IS NULL OR (status = 'PROCESSING' AND cancellation IN ('requested', 'refused'))) NOT VALID;
ALTER TABLE payments DROP CONSTRAINT payments_instrument;
-- NOT VALID: rows of before fit the rule of before, which says the same about them.
ALTER TABLE payments ADD CONSTRAINT payments_instrument CHECK (
    CASE method
        WHEN 'upi' THEN CASE
            WHEN vpa IS NULL THEN instrument ->> 'flow' IS NOT DISTINCT FROM 'qr'
            ELSE instrument IS NULL OR instrument ? 'vpa'
        END
        WHEN 'card' THEN vpa IS NULL AND (instrument IS NULL OR instrument ?& ARRAY['card_network', 'card_last4'])
        WHEN 'netbanking' THEN instrument IS NOT NULL AND instrument ? 'bank'
        ELSE false
    END
    AND (
        instrument IS NULL
        OR (
            vpa IS NOT DISTINCT FROM instrument ->> 'vpa'
            AND card_network IS NOT DISTINCT FROM instrument ->> 'card_network'
            AND card_last4 IS NOT DISTINCT FROM instrument ->> 'card_last4'
        )
    )
) NOT VALID;
-- In the simulated bank's books: the link that a payer's UPI app opens, and whether the bank refuses to cancel.
ALTER TABLE bank.ledger
    ADD COLUMN app_link       text,
    ADD COLUMN refuses_cancel boolean NOT NULL DEFAULT false,
    DROP CONSTRAINT ledger_step_check;
ALTER TABLE bank.ledger
    ADD CONSTRAINT ledger_step CHECK (step IN ('redirect', 'otp', 'app', 'silence')) NOT VALID;
