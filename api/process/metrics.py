"""What the API measures; served with everything else on the worker's internal port."""

from __future__ import annotations

from functools import lru_cache

from prometheus_client import Counter, Gauge, Histogram

REQUEST_SECONDS = Histogram(
    "gateway_api_request_seconds",
    "Requests by route and status, and how long they took",
    ["method", "route", "status"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
COMMANDS = Counter("gateway_api_commands", "Commands by the response that their caller got", ["type", "outcome"])
STREAMS_OPEN = Gauge("gateway_api_streams_open", "Open event streams")


@lru_cache(maxsize=4_096)
def request_seconds(method: str, route: str, status: int) -> Histogram:
    """REQUEST_SECONDS with its labels; looking them up costs more than observing."""
    return REQUEST_SECONDS.labels(method, route, status)


@lru_cache(maxsize=256)
def command_count(kind: str, outcome: str) -> Counter:
    """COMMANDS with its labels."""
    return COMMANDS.labels(kind, outcome)
