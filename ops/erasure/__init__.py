"""Erases a payer's personal data."""
