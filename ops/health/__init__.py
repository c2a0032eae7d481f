"""The running system seen from outside: `gateway health`, `stuck`, `owed`, and the exporter's metrics."""
