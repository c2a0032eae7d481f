"""The REST API: it turns requests into commands on the log and answers with what the payment actor decided."""
