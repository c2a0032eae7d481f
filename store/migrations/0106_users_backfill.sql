-- gateway: concurrent
-- The first owner of every merchant that signed up before 0105, by its trigger: 1,000 merchants a step.
-- merchants_pkey
UPDATE merchants
   SET password_hash = password_hash
 WHERE id IN (SELECT id FROM merchants WHERE id > $1 ORDER BY id LIMIT 1000)
RETURNING id;
