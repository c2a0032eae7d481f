"""The log: names of topics, form of records, writing and reading them. Independent of the database and of HTTP."""
