-- How many payments name their payer, for the planner: the indexes of 0071 hold only those, and an index without rows has
-- no statistics. It then takes one payment in two hundred to match any text, and reads all of a merchant's to find none.
SET LOCAL lock_timeout = '5s';

CREATE STATISTICS IF NOT EXISTS payments_email_lower ON (lower(email)) FROM payments;
CREATE STATISTICS IF NOT EXISTS payments_name_lower ON (lower(name)) FROM payments;
ANALYZE payments (email, name);
