"""The REST API: it turns requests into commands on the log and returns what the payment actor decided."""
