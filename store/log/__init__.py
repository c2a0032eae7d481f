"""What PostgreSQL stores about the log: its partitions, its end, what was delivered, positions in the feed."""
