"""docs/reference/METRICS.md: every metric of every process, found by importing what defines them."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import ModuleType

from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

import agents
import api
import ops
import runtime
from ops.reference.page import code, page, table

PACKAGES: tuple[ModuleType, ...] = (api, agents, ops, runtime)
INTRODUCTION = """Each process serves its metrics at `/metrics` on its internal port (`METRICS_PORT` plus the role's
offset); `gateway exporter` serves those that describe the whole system. `make up` lists the ports in `gateway
status`; `docker-compose.monitoring.yml` brings Prometheus with alerts and a Grafana dashboard. A counter's series
ends in `_total`, a histogram has `_bucket`, `_sum` and `_count`."""


def metrics_page() -> str:
    """The whole page."""
    rows = sorted(_rows())
    return page(
        "Metrics",
        "the processes' Prometheus collectors",
        INTRODUCTION,
        table(("metric", "kind", "labels", "meaning", "where"), rows),
    )


def _rows() -> Iterator[tuple[str, ...]]:
    for module in _modules():
        for found in vars(module).values():
            if isinstance(found, MetricWrapperBase) and _is_defined_in(module, found):
                (family,) = found.describe()
                labels = ", ".join(map(code, found._labelnames))
                yield code(_series(found, family.name)), family.type, labels, family.documentation, _file(module)


def _modules() -> Iterator[ModuleType]:
    for package in PACKAGES:
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.endswith("__main__"):
                yield importlib.import_module(found.name)


def _is_defined_in(module: ModuleType, metric: MetricWrapperBase) -> bool:
    """Not only imported there."""
    (family,) = metric.describe()
    return f'"{family.name}"' in inspect.getsource(module)


def _series(metric: MetricWrapperBase, name: str) -> str:
    """The name as a query writes it."""
    match metric:
        case Counter():
            return f"{name}_total"
        case Gauge() | Histogram():
            return name
    raise TypeError(f"{name} is of a kind that this page does not know")


def _file(module: ModuleType) -> str:
    return code(f"{module.__name__.replace('.', '/')}.py")
