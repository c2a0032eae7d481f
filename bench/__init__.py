"""The measurements. `bench.previous` copies this package into an earlier tree, whose modules may have other paths."""

from __future__ import annotations

from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
