"""What one API process keeps while it runs: the command bus, keys, live updates, health, metrics."""
