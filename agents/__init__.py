"""The roles that consume the log, each in its own process. The API and the agents communicate only through the log."""
