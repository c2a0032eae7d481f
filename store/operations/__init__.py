"""Queries of the operations commands: audit, repair, rebuild, inspection, dead letters."""
