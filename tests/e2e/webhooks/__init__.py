"""Webhooks on a stack of their own, whose retries come after one second."""
