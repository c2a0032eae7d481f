"""What every process needs around its work: settings, logs, metrics, clock, secrets. Knows no business rule."""
