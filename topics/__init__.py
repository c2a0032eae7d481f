"""The log: names of topics, form of records, writing and reading them. Knows nothing of the database or of HTTP."""
