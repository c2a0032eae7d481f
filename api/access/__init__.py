"""Who asks, and may they: credentials, sessions, passwords, origins, rate limits."""
