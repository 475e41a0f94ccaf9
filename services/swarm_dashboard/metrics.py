"""The queue as Prometheus text, counted when it is asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from flask import Blueprint, Response
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from swarm_dashboard.context import Context
from swarm_shared.models import Status
from swarm_shared.store.swarm import DISK_LOW, DRAINED, EMERGENCY_STOP, PAUSED


class _Queue(Collector):
    def __init__(self, context: Context) -> None:
        self._context = context

    def collect(self) -> Iterator[Metric]:
        database = self._context.reader().database
        counts = database.tasks.counts()
        tasks = GaugeMetricFamily("swarm_tasks", "Tasks by stored status.", labels=["status"])
        hours = GaugeMetricFamily("swarm_task_hours", "Estimated hours by stored status.", labels=["status"])
        for status in Status:
            n, estimated = counts.get(status, (0, 0.0))
            tasks.add_metric([str(status)], n)
            hours.add_metric([str(status)], estimated)
        yield tasks
        yield hours
        workers = GaugeMetricFamily("swarm_workers", "Workers by status, the newest start of each.", labels=["status"])
        for word, n in Counter(w["status"] for w in database.workers.shown()).items():
            workers.add_metric([word], n)
        yield workers
        flags = GaugeMetricFamily("swarm_flag", "1 while this flag stops claims.", labels=["flag"])
        for name in (PAUSED, DRAINED, EMERGENCY_STOP, DISK_LOW):
            flags.add_metric([name], float(name in database.swarm.flags()))
        yield flags
        yield GaugeMetricFamily("swarm_provider_holds", "Agent CLIs on hold.", value=len(database.swarm.holds()))
        yield GaugeMetricFamily("swarm_last_event", "Id of the newest event.", value=database.events.last_id())
        yield GaugeMetricFamily("swarm_dashboard_pages", "Pages that follow live.", value=self._context.live.followers)


def routes(context: Context) -> Blueprint:
    """`/metrics`, behind the token."""
    metrics = Blueprint("metrics", __name__)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Queue(context))

    @metrics.get("/metrics")
    def scrape() -> Response:
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    return metrics
