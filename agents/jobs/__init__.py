"""The jobs role: counts events into Redis, and passes them on to live subscribers."""
