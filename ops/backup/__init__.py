"""Backups of PostgreSQL with the log's positions, and restoring them.

backup  ─► folder: database/ (pg_dump, one snapshot)   manifest.json (written last: without it there is no backup)
restore ─► an empty database from it; `gateway recover` then brings it up to date with the log
"""
