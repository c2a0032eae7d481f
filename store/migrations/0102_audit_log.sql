-- Who did what, when and from where: one chain of entries for each merchant, and one for the operator. Each entry's hash
-- covers the one before it, and is sealed with a key that is not in the database (store/audit_log.py). Nothing is ever
-- changed or removed.
SET LOCAL lock_timeout = '5s';

CREATE TABLE audit_log (
    chain   text        NOT NULL,
    place   bigint      NOT NULL,
    at      timestamptz NOT NULL,
    actor   text        NOT NULL,
    action  text        NOT NULL,
    subject text        NOT NULL,
    body    text        NOT NULL,
    hash    bytea       NOT NULL,
    seal    bytea       NOT NULL,
    PRIMARY KEY (chain, place)
);
CREATE INDEX audit_log_subject ON audit_log (chain, subject, place);

CREATE FUNCTION audit_log_stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is append-only';
END
$$;
CREATE TRIGGER audit_log_stays BEFORE DELETE OR UPDATE ON audit_log FOR EACH ROW EXECUTE FUNCTION audit_log_stays();
CREATE TRIGGER audit_log_is_kept BEFORE TRUNCATE ON audit_log FOR EACH STATEMENT EXECUTE FUNCTION audit_log_stays();
