-- gateway: concurrent
-- How many invitations a merchant has made of late: each that is opened shows whether its address is taken.
CREATE INDEX CONCURRENTLY IF NOT EXISTS invitations_made ON invitations (merchant_id, created_at);
