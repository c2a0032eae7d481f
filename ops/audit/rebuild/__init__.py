"""The state tables, rebuilt from the events topic alone."""
