"""What PostgreSQL knows of the log: its partitions, its end, what was delivered, places in the feed."""
