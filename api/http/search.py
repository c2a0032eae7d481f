"""The text that a list is searched for."""

from __future__ import annotations


def search_text(q: str | None) -> str | None:
    """Without surrounding spaces; None if nothing is left."""
    return (q.strip() or None) if q else None
