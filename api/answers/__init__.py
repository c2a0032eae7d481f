"""From a checked request to its response: submitting the command, idempotency, resources as they are read."""
