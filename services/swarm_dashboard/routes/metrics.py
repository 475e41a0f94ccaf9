"""The swarm's metrics as Prometheus text, computed on request, for graphs and alerts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from flask import Blueprint, Response
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from swarm_dashboard.context import Context
from swarm_dashboard.web.database_reader import Reading
from swarm_shared.diagnosis import Level, diagnose
from swarm_shared.diagnosis.programs import last_pass_age_s
from swarm_shared.domain.models import Status
from swarm_shared.store.swarm.swarm import DISK_LOW, DRAINED, EMERGENCY_STOP, PAUSED, RUNNER_DOWN

_ENDED = ("stopped", "crashed")


class _Swarm(Collector):
    def __init__(self, context: Context) -> None:
        self._context = context

    def collect(self) -> Iterator[Metric]:
        reading, now = self._context.reader(), self._context.clock.wall_ms()
        yield from _queue(reading, now)
        yield from _workers(reading, now)
        yield from _stops(reading)
        yield _findings(reading)
        yield from _landing(reading, now)
        yield from _file(reading)
        yield from _reaper(reading, now)
        yield GaugeMetricFamily("swarm_last_event", "Id of the newest event.", value=reading.database.events.last_id())
        yield GaugeMetricFamily(
            "swarm_dashboard_pages", "Pages with a live connection.", value=self._context.live.followers
        )


def _queue(reading: Reading, now: int) -> Iterator[Metric]:
    counts = reading.database.tasks.counts()
    tasks = GaugeMetricFamily("swarm_tasks", "Tasks by stored status.", labels=["status"])
    hours = GaugeMetricFamily("swarm_task_hours", "Estimated hours by stored status.", labels=["status"])
    for status in Status:
        n, estimated = counts.get(status, (0, 0.0))
        tasks.add_metric([str(status)], n)
        hours.add_metric([str(status)], estimated)
    yield tasks
    yield hours
    text = "Seconds that the longest waiting of the first thousand ready tasks has been ready; 0 when none is."
    yield GaugeMetricFamily("swarm_oldest_ready_seconds", text, value=_seconds(now, reading.pulse.oldest_ready()))
    ends = reading.pulse.recent_ends()
    recent = GaugeMetricFamily(
        "swarm_recent_attempts",
        "Attempts that ended within the last hour, without interrupted ones.",
        labels=["outcome"],
    )
    recent.add_metric(["passed"], ends.ended - ends.failed)
    recent.add_metric(["failed"], ends.failed)
    yield recent
    text = "Failed share of the attempts that ended within the last hour, 0 to 1; 0 if none ended."
    yield GaugeMetricFamily("swarm_failing_ratio", text, value=ends.failing_rate or 0.0)
    cost = GaugeMetricFamily("swarm_spend_usd", "Cost of all attempts that reported it.", labels=["agent_cli"])
    tokens = GaugeMetricFamily("swarm_spend_tokens", "Tokens of all attempts that reported them.", labels=["agent_cli"])
    for one in reading.pulse.spend():
        cost.add_metric([one.agent_cli], one.cost_usd)
        tokens.add_metric([one.agent_cli], one.tokens)
    yield cost
    yield tokens


def _workers(reading: Reading, now: int) -> Iterator[Metric]:
    staff = reading.database.workers.shown()
    workers = GaugeMetricFamily(
        "swarm_workers", "Workers by status; the latest start of each worker counts.", labels=["status"]
    )
    for word, n in Counter(worker["status"] for worker in staff).items():
        workers.add_metric([word], n)
    yield workers
    alive = [worker for worker in staff if worker["status"] not in _ENDED]
    yield GaugeMetricFamily("swarm_workers_alive", "Workers that have not ended.", value=len(alive))
    oldest = min((worker["last_heartbeat"] for worker in alive), default=None)
    text = "Seconds since the oldest last heartbeat among running workers; 0 if none is running."
    yield GaugeMetricFamily("swarm_oldest_heartbeat_seconds", text, value=_seconds(now, oldest))


def _stops(reading: Reading) -> Iterator[Metric]:
    set_flags = reading.database.swarm.flags()
    flags = GaugeMetricFamily("swarm_flag", "1 while this flag stops claims.", labels=["flag"])
    for name in (PAUSED, DRAINED, EMERGENCY_STOP, DISK_LOW, RUNNER_DOWN):
        flags.add_metric([name], float(name in set_flags))
    yield flags
    found = reading.database.swarm.holds()
    yield GaugeMetricFamily("swarm_provider_holds", "Routes on hold.", value=len(found))
    holds = GaugeMetricFamily(
        "swarm_provider_hold", "1 while no session may start on it.", labels=["route", "agent_cli", "kind"]
    )
    for hold in found:
        holds.add_metric([hold.route, hold.agent_cli, hold.kind], 1.0)
    yield holds


def _findings(reading: Reading) -> Metric:
    found = GaugeMetricFamily(
        "swarm_findings", "Findings of the diagnosis that are not ok, as Health shows them.", labels=["code", "level"]
    )
    open_ones = [each for each in diagnose(reading.database) if each.level is not Level.OK]
    for (code, level), number in Counter((each.code, str(each.level)) for each in open_ones).items():
        found.add_metric([code, level], number)
    return found


def _landing(reading: Reading, now: int) -> Iterator[Metric]:
    to_land = reading.pulse.to_land()
    yield GaugeMetricFamily("swarm_landing_waiting", "Tasks that passed and wait to land.", value=to_land.tasks)
    text = "Seconds since the first of them passed; above 600 is a warning."
    yield GaugeMetricFamily("swarm_landing_oldest_seconds", text, value=_seconds(now, to_land.since))


def _file(reading: Reading) -> Iterator[Metric]:
    sizes = reading.database.health.sizes()
    yield GaugeMetricFamily("swarm_database_bytes", "Size of the database file.", value=sizes.database_bytes)
    yield GaugeMetricFamily("swarm_wal_bytes", "Size of its write-ahead log.", value=sizes.wal_bytes)
    yield GaugeMetricFamily("swarm_disk_free_bytes", "Free space on its disk.", value=sizes.free_bytes)


def _reaper(reading: Reading, now: int) -> Iterator[Metric]:
    found = reading.database.swarm.running("reaper")
    yield GaugeMetricFamily(
        "swarm_reaper_up", "1 from a reaper's start until it reports its end.", value=float(found is not None)
    )
    if found is None:
        return
    text = "Seconds since the reaper's last complete pass; it makes one every second and reports every five."
    yield GaugeMetricFamily("swarm_reaper_last_pass_seconds", text, value=last_pass_age_s(found, now))
    answers = found.detail.get("supervisord_answers")
    if answers is not None:
        yield GaugeMetricFamily("swarm_supervisord_up", "1 while supervisord answers the reaper.", value=float(answers))


def _seconds(now: int, since: int | None) -> float:
    return 0.0 if since is None else max(0.0, (now - since) / 1000)


def routes(context: Context) -> Blueprint:
    """`/metrics`, behind the token."""
    metrics = Blueprint("metrics", __name__)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Swarm(context))

    @metrics.get("/metrics")
    def scrape() -> Response:
        return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)

    return metrics
