"""Checks of the whole gateway, and what puts it right: verify, repair, rebuild, recount, the continuous audit."""
