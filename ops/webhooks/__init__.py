"""Webhooks from the command line: `gateway listen`, `gateway trigger`, `gateway replay`."""
