"""What lists have in common: the text that they are searched for, and the currency."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query

CurrencyFilter = Annotated[str | None, Query(pattern="^[A-Z]{3}$", description="ISO 4217")]


def search_text(q: str | None) -> str | None:
    """Without surrounding spaces; None if nothing is left."""
    return (q.strip() or None) if q else None
