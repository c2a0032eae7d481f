"""Authentication and authorization: credentials, sessions, passwords, origins, rate limits."""
