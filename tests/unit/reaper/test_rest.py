"""Rounds started by commits use at most a fraction of a core, however many workers there are."""

from __future__ import annotations

from swarm_reaper.rest import Rest


class Times:
    def __init__(self) -> None:
        self.now = self.cpu = 100.0

    def work(self, s: float, *, wait_s: float = 0.0) -> None:
        self.now += s + wait_s
        self.cpu += s


def test_commits_wait_until_the_last_round_is_a_small_share_of_the_time() -> None:
    times = Times()
    rest = Rest(most_share=0.2, now=lambda: times.now, cpu=lambda: times.cpu)
    assert rest.is_over(), "the first commit starts the first round"
    with rest.after():
        times.work(0.05)
    times.now += 0.19
    assert not rest.is_over()
    times.now += 0.02
    assert rest.is_over()


def test_a_round_that_waited_for_the_database_is_not_followed_by_a_pause() -> None:
    times = Times()
    rest = Rest(most_share=0.2, now=lambda: times.now, cpu=lambda: times.cpu)
    with rest.after():
        times.work(0.01, wait_s=2.0)
    assert rest.is_over()
