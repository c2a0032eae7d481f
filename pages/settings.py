"""The one setting that only the pages need."""

from __future__ import annotations

from pydantic_settings import BaseSettings, SettingsConfigDict


class PagesSettings(BaseSettings):
    """API_INTERNAL_URL: where this process finds the API, if not at the browser's API_URL (containers)."""

    model_config = SettingsConfigDict(env_file=None, extra="ignore", frozen=True)

    api_internal_url: str = ""
    """Address of the API as the pages' own process finds it; empty: API_URL."""
