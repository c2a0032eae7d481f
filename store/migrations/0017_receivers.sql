-- Receivers: a merchant's own headers, every secret that still signs, the answer's headers in the delivery log, and when
-- an endpoint was last switched off or on. `republished_at`: when the net for lost records last published the row.
SET LOCAL lock_timeout = '5s';

ALTER TABLE webhooks
    ADD COLUMN previous_secrets_sealed    bytea[] NOT NULL DEFAULT '{}',
    ADD COLUMN previous_secrets_expire_at timestamptz[] NOT NULL DEFAULT '{}',
    ADD COLUMN headers_sealed             bytea,
    ADD COLUMN header_names               text[] NOT NULL DEFAULT '{}',
    ADD COLUMN switched_at                timestamptz,
    ADD COLUMN switched_event             text,
    ADD CONSTRAINT webhooks_previous_secrets_have_an_end
        CHECK (cardinality(previous_secrets_sealed) = cardinality(previous_secrets_expire_at));

UPDATE webhooks
   SET previous_secrets_sealed = ARRAY[previous_secret_sealed], previous_secrets_expire_at = ARRAY[previous_expires_at]
 WHERE previous_secret_sealed IS NOT NULL
   AND previous_expires_at > now();

ALTER TABLE webhooks
    DROP COLUMN previous_secret_sealed,
    DROP COLUMN previous_expires_at;

ALTER TABLE webhook_attempts ADD COLUMN response_headers text;

ALTER TABLE webhook_logs ADD COLUMN republished_at timestamptz;
