"""From a checked request to its answer: asking the actor, idempotency, resources as they are read."""
