-- Endpoints in the format of the Razorpay double that are sent the later of two events of one decision first.
SET LOCAL lock_timeout = '5s';

ALTER TABLE webhooks ADD COLUMN razorpay_shuffled boolean NOT NULL DEFAULT false;
