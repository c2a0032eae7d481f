"""The generated pages of the documentation: `python -m ops.reference` writes them, a unit test finds stale ones.

ops.cli ───────────────► docs/reference/CLI.md
runtime.settings ──────► docs/reference/SETTINGS.md
domain.event_kind ─────► docs/reference/EVENTS.md
prometheus collectors ─► docs/reference/METRICS.md
domain.rejection ──────► docs/reference/ERRORS.md
domain.machine ────────► docs/reference/STATES.md, docs/images/states-*.svg
topics.catalogue ──────► docs/TOPICS.md, docs/images/topics.svg
docs/openapi.json ─────► the table in docs/API.md
"""
