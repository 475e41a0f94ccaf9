"""`notify` and `quiet` in swarm.yaml: what is accepted, what is refused, and that no address is ever shown."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from swarm_shared.domain.errors import ConfigError
from swarm_shared.domain.notices import NoticeKind
from swarm_shared.settings.notify_settings import QuietHours, as_notify_targets, as_quiet_hours
from swarm_shared.settings.settings import Settings, resolve

SECRET = "sekret-topic-4711"


def settings_of(folder: Path, text: str) -> Settings:
    (folder / "swarm.yaml").write_text(text, encoding="utf-8")
    return resolve({"db": folder / "tasks.db"}, {})


def test_targets_are_read_even_though_yaml_reads_the_key_on_as_true(tmp_path: Path) -> None:
    settings = settings_of(
        tmp_path,
        """
notify:
  - {url: "${NTFY_URL}", on: [finished, needs_you]}
  - webhook: https://example.org/hook
  - command: ./page-me --loud
    on: credentials
quiet: {from: 22:00, to: 07:30}
""",
    )
    first, second, third = settings.notify
    assert (first.way, first.on) == ("url", (NoticeKind.NEEDS_YOU, NoticeKind.FINISHED))
    assert second.on == tuple(NoticeKind)
    assert (third.address, third.on) == ("./page-me --loud", (NoticeKind.CREDENTIALS,))
    assert settings.quiet == QuietHours(start_min=22 * 60, end_min=7 * 60 + 30)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("ntfy://x", "entry 1 is not a mapping"),
        ({"on": ["finished"]}, "none of url, webhook and command"),
        ({"url": "ntfy://x", "webhook": "https://x.org"}, "more than one of"),
        ({"url": 5}, "url is not text"),
        ({"url": "ntfy://x", "onn": []}, "unknown key onn"),
        ({"url": "ntfy://x", "on": ["done"]}, "unknown event 'done'"),
        ({"url": "ntfy://x", "on": []}, "not a list of events"),
        ({"url": SECRET}, "no scheme"),
        ({"url": "ntfy://${N-T}"}, "not the name of a variable"),
        ({"webhook": f"ftp://host/{SECRET}"}, "not an http or https address"),
        ({"webhook": f"https://host:port/{SECRET}"}, "not an http or https address"),
        ({"webhook": f"https://host/{SECRET} x"}, "space or a control character"),
        ({"command": ""}, "command is not text"),
    ],
)
def test_an_unusable_target_is_refused_without_quoting_the_address(entry: object, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        as_notify_targets([entry])
    assert said in caught.value.message
    assert caught.value.hint
    assert SECRET not in caught.value.message + str(caught.value.hint)


def test_the_same_address_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="entry 2 has the same address as entry 1"):
        as_notify_targets([{"url": "ntfy://x", "on": ["finished"]}, {"url": "ntfy://x", "on": ["hold"]}])


def test_an_error_in_notify_is_among_the_reported_errors_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        settings_of(tmp_path, "notify: [{url: x}]\nmax_retries: many\nquiet: nights\n")
    assert "notify, entry 1: url has no scheme" in caught.value.message
    assert "max_retries" in caught.value.message
    assert "quiet must have exactly the keys from and to" in caught.value.message


@pytest.mark.parametrize(
    ("entry", "label"),
    [
        ({"webhook": f"https://me:pass@hooks.example.org/services/{SECRET}?key=1"}, "webhook hooks.example.org"),
        ({"url": f"ntfys://{SECRET}"}, "url ntfys://…"),
        ({"url": "slack://${TOKEN}/x"}, "url ${TOKEN}"),
        ({"command": f"./page --token {SECRET}"}, "command ./page"),
    ],
)
def test_a_target_is_shown_without_possible_secrets(entry: object, label: str) -> None:
    (target,) = as_notify_targets([entry])
    assert target.label == label
    assert SECRET not in target.key


def test_an_unset_variable_is_named_and_a_set_one_is_expanded() -> None:
    (target,) = as_notify_targets([{"webhook": "https://${HOST}/x/${HOOK}"}])
    with pytest.raises(ConfigError, match="HOOK is not set"):
        target.filled({"HOST": "example.org", "HOOK": ""})
    assert target.filled({"HOST": "example.org", "HOOK": "a"}) == "https://example.org/x/a"


def test_an_address_made_invalid_by_a_variable_is_not_quoted() -> None:
    (target,) = as_notify_targets([{"webhook": "${HOOK}"}])
    with pytest.raises(ConfigError) as caught:
        target.filled({"HOOK": SECRET})
    assert "not an http or https address" in caught.value.message
    assert SECRET not in caught.value.message


@pytest.mark.parametrize(
    "raw", [{"from": "22:00"}, {"from": "25:00", "to": "7:00"}, {"from": "7:00", "to": "7:00"}, {"from": 1.5, "to": 1}]
)
def test_invalid_quiet_hours_are_refused(raw: object) -> None:
    with pytest.raises(ConfigError):
        as_quiet_hours(raw)


def local_ms(hour: int, minute: int, second: int = 0) -> int:
    return round(time.mktime((2026, 11, 28, hour, minute, second, 0, 0, -1)) * 1000)


@pytest.mark.parametrize(
    ("now", "end"),
    [
        (local_ms(21, 59, 59), None),
        (local_ms(22, 0), local_ms(31, 0)),
        (local_ms(6, 59, 59), local_ms(7, 0)),
        (local_ms(7, 0), None),
    ],
)
def test_quiet_hours_across_midnight_end_in_the_morning(now: int, end: int | None) -> None:
    assert as_quiet_hours({"from": "22:00", "to": "07:00"}).end_after(now) == end
