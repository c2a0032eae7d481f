"""The state tables, made again from the events topic alone."""
