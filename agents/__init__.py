"""The roles that listen to the log, each a process of its own. The API and the agents meet on the log only."""
