"""Erasing what the gateway knows about a payer."""
