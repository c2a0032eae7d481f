"""Checks of the whole gateway, and the repairs: verify, repair, rebuild, recount, the continuous audit."""
