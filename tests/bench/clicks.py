"""From a click to its outcome: a browser sends a request, a reaper handles it, the notice shows the outcome."""

from __future__ import annotations

from bench.asking import Page
from bench.figure import CannotMeasure, Figure, Lines, Scale, Table, Target, cumulative, percentile, summary
from bench.harness import bench_swarm, noop_tasks
from browser import CHROMIUM, chromium, context_of

TITLE = "From a click to the outcome"
MOST_MS = 150.0
# Clicks one of the two buttons and notes when the frame with the outcome has been drawn.
_CLICK = """async (verb) => {
  for (const old of document.querySelectorAll('.notice button')) old.click();
  const box = document.getElementById('notices');
  const drawn = new Promise((resolve) => {
    new MutationObserver((_, observer) => {
      if (!box.querySelector('[data-kind="done"]')) return;
      observer.disconnect();
      requestAnimationFrame(() => requestAnimationFrame(() => resolve(performance.now())));
    }).observe(box, { childList: true, attributes: true, characterData: true, subtree: true });
  });
  const clicked = performance.now();
  document.querySelector(`.actions [data-verb="${verb}"]`).click();
  return (await drawn) - clicked;
}"""


def measure(scale: Scale) -> Figure:
    """Hold and release a task by the buttons of its screen, at irregular moments."""
    try:
        with bench_swarm() as swarm, chromium() as browser:
            swarm.add(*noop_tasks(200))
            swarm.reaper()
            server = Page(swarm)
            page = context_of(browser).new_page()
            page.goto(f"{server.url}/#t={server.token}")
            page.wait_for_selector('#chip[data-state="live"]')
            page.goto(f"{server.url}/tasks/t7")
            took_ms: list[float] = []
            for n in range(scale.pick(20, 120)):
                verb = "release" if n % 2 else "hold"
                page.wait_for_selector(f'.actions [data-verb="{verb}"]')
                page.wait_for_timeout(300 + 37 * (n % 11))
                took_ms.append(page.evaluate(_CLICK, verb))
            server.close()
    except BaseException as error:
        if type(error).__name__ == "Skipped":  # how the tests' browser says that it is missing
            raise CannotMeasure(f"needs {CHROMIUM}") from error
        raise
    p95 = percentile(took_ms, 0.95)
    return Figure(
        how=(
            "Chromium shows a task, which is held and released by its buttons every 0.3 to 0.7 s. The time runs from "
            "the click until the frame whose notice has the outcome was drawn: the request is written, handled by the "
            "reaper, and its outcome pushed over the page's socket."
        ),
        tables=(
            Table(
                columns=("clicks", "p50 ms", "p95 ms", "p99 ms", "worst ms"),
                rows=((len(took_ms), summary(took_ms)[0], p95, *summary(took_ms)[1:]),),
            ),
        ),
        targets=(Target(text="click to outcome, 95th percentile", value=p95, limit=MOST_MS, unit="ms"),),
        plots={
            "click": Lines(
                title="From a click to the outcome on the screen",
                x_label="milliseconds",
                y_label="% of clicks",
                curves={"hold and release": cumulative(took_ms)},
            )
        },
        raw={"ms": took_ms},
    )
