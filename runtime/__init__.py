"""What every process needs around its work: settings, logs, metrics, clock, secrets. No business rules."""
