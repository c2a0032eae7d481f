"""Everything that is kept in Redis. All of it can be lost: PostgreSQL and the log are the truth."""
