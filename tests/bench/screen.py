"""From a commit to the screen: a real browser shows the change, and reports when it had drawn it."""

from __future__ import annotations

import random
import time

from bench.asking import Page
from bench.figure import CannotMeasure, Figure, Lines, Scale, Table, Target, cumulative, percentile, summary
from bench.harness import ACTOR, bench_swarm, noop_tasks
from browser import CHROMIUM, chromium, context_of
from swarm_shared.domain.models import Verb

TITLE = "From a commit to the screen"
MOST_MS = 300.0
GAP_S = (0.35, 0.9)  # longer than messages are apart: the usual case, something happens now and then
TASKS = 200
# Notes when the counter of held tasks has another number, and when the frame with it has been drawn.
_NOTE = """() => {
  const number = document.querySelector('.counters [data-group="held"] .number');
  window.drawn = {};
  const note = () => {
    const shown = number.textContent;
    const drawn = () => { window.drawn[shown] ??= performance.timeOrigin + performance.now(); };
    requestAnimationFrame(() => requestAnimationFrame(drawn));
  };
  new MutationObserver(note).observe(number, { childList: true, characterData: true, subtree: true });
}"""


def measure(scale: Scale) -> Figure:
    """Hold one task after the other, at irregular moments, and watch the counter of held tasks."""
    try:
        with bench_swarm() as swarm, chromium() as browser:
            swarm.add(*noop_tasks(TASKS))
            server = Page(swarm)
            page = context_of(browser).new_page()
            page.goto(f"{server.url}/#t={server.token}")
            page.wait_for_selector('#chip[data-state="live"]')
            page.wait_for_selector(".lanes, .counters")
            page.evaluate(_NOTE)
            rng = random.Random(1)
            committed: dict[str, float] = {}
            for n in range(scale.pick(12, 120)):
                page.wait_for_timeout(1000 * rng.uniform(*GAP_S))
                with swarm.db.connection.transaction():
                    swarm.db.steering.apply(Verb.HOLD, f"t{n}", {}, actor=ACTOR)
                committed[str(n + 1)] = time.time() * 1000
            page.wait_for_function(f"() => window.drawn['{len(committed)}'] !== undefined")
            drawn: dict[str, float] = page.evaluate("window.drawn")
            server.close()
    except BaseException as error:
        if type(error).__name__ == "Skipped":  # how the tests' browser says that it is missing
            raise CannotMeasure(f"needs {CHROMIUM}") from error
        raise
    took_ms = [drawn[number] - at for number, at in committed.items() if number in drawn]
    return Figure(
        how=(
            f"Chromium shows Now with its pictures. A task is held every {GAP_S[0]:g} to {GAP_S[1]:g} s; the time runs "
            "from the end of the commit until the frame with the new counter has been drawn, on the same machine and "
            "without a graphics card."
        ),
        tables=(
            Table(
                columns=("commits", "p50 ms", "p95 ms", "p99 ms", "worst ms"),
                rows=((len(took_ms), summary(took_ms)[0], percentile(took_ms, 0.95), *summary(took_ms)[1:]),),
            ),
        ),
        targets=(
            Target(text="commit to screen, 99th percentile", value=summary(took_ms)[1], limit=MOST_MS, unit="ms"),
        ),
        plots={
            "screen": Lines(
                title="From a commit to the screen",
                x_label="milliseconds",
                y_label="% of commits",
                curves={"now and then": cumulative(took_ms)},
            )
        },
        raw={"ms": took_ms},
    )
