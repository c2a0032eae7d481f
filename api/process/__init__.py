"""The state of one API process while it runs: the command bus, keys, live updates, health, metrics."""
