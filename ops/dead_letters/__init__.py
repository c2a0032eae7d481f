"""`gateway dlq`: dead letters listed, replayed, discarded and reopened, each with its audit row."""
