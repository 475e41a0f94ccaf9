"""Small parts: settings that would expose too much, ports, tickets, and redacted responses."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from string import hexdigits

import pytest
from fixed_time import ManualClock

from swarm_dashboard.config import DashboardConfig, config_from
from swarm_dashboard.server.listening import address_of, open_listener
from swarm_dashboard.web.access import Access
from swarm_dashboard.web.database_reader import Reader
from swarm_dashboard.web.json_responses import written
from swarm_dashboard.web.task_search import parse
from swarm_shared.database import TaskDatabase
from swarm_shared.domain.errors import ConfigError, DatabaseError
from swarm_shared.domain.models import Status
from swarm_shared.redaction.redaction import MARK, Redaction
from swarm_shared.settings.settings import resolve


def configured(tmp_path: Path, **environ: str) -> DashboardConfig:
    return config_from(resolve({"db": tmp_path / "tasks.db"}, environ))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "box.example"])
def test_other_machines_are_allowed_only_with_your_own_token(tmp_path: Path, host: str) -> None:
    with pytest.raises(ConfigError, match="other machines"):
        configured(tmp_path, SWARM_DASHBOARD_HOST=host)
    own = {"SWARM_DASHBOARD_TOKEN": "a long enough token"}
    with pytest.raises(ConfigError, match="without any token"):
        configured(tmp_path, SWARM_DASHBOARD_HOST=host, SWARM_DASHBOARD_AUTH="none", **own)
    assert configured(tmp_path, SWARM_DASHBOARD_HOST=host, **own).own_token == "a long enough token"


def test_a_short_token_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="shorter"):
        configured(tmp_path, SWARM_DASHBOARD_TOKEN="secret")


def test_only_the_configured_port_is_used(tmp_path: Path) -> None:
    assert not configured(tmp_path).port_is_asked
    assert configured(tmp_path, SWARM_DASHBOARD_PORT="9000").port_is_asked


def test_the_default_port_falls_back_to_the_next_free_one(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        db = tmp_path / "tasks.db"
        with pytest.raises(ConfigError, match=f"port {port} is in use"):
            open_listener(DashboardConfig(db=db, port=port, port_is_asked=True))
        with open_listener(DashboardConfig(db=db, port=port)) as other:
            host, moved = address_of(other)
    assert host == "127.0.0.1"
    assert moved > port


def test_no_part_of_a_response_waits_for_an_acknowledgement(tmp_path: Path) -> None:
    config = DashboardConfig(db=tmp_path / "tasks.db", port=0)
    with open_listener(config) as listener, socket.create_connection(address_of(listener)):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_ticket_opens_one_socket_and_expires_soon() -> None:
    clock = ManualClock()
    access = Access(lambda: "token", clock)
    ticket = access.new_ticket("live")
    assert set(ticket) <= set(hexdigits)  # with other letters it may look like a key, and would be redacted
    assert access.use_ticket("live", ticket)
    assert not access.use_ticket("live", ticket)
    assert not access.use_ticket("report", access.new_ticket("live"))
    late = access.new_ticket("live")
    clock.pass_s(31)
    assert not access.use_ticket("live", late)
    assert not access.use_ticket("live", "")


@pytest.mark.parametrize(
    "secret",
    [
        "sk-" + "a1B2c3D4" * 4,
        'with "quotes" in it',
        "with a \\ backslash",
        "with two\nlines of text",
        "pässwörd-of-mine",
        "half a \udc80 character",
    ],
)
def test_secrets_are_redacted_at_every_depth_of_a_response(secret: str) -> None:
    redaction = Redaction({"MY_API_KEY": secret})
    shown = json.loads(written(redaction, {"a": [{"b": f"before {secret} after"}], secret: 1, "password": "two words"}))
    assert shown == {"a": [{"b": f"before {MARK} after"}], MARK: 1, "password": MARK}


def test_a_query_is_parsed_into_its_parts() -> None:
    wanted = parse('fix "two words" status:failed PHASE:"the build" id:2.6', status="held", phase="x", now_ms=0)
    assert wanted.words == ("fix", "two words")
    assert wanted.statuses == (Status.FAILED,)
    assert wanted.phase == "the build"
    assert wanted.id_prefix == "2.6"
    assert parse("", now_ms=0).needs_search is False


def test_a_reading_connection_cannot_write(tmp_path: Path) -> None:
    with TaskDatabase(tmp_path / "tasks.db"):
        reader = Reader(tmp_path / "tasks.db", ManualClock())
        with pytest.raises(DatabaseError):
            reader().database.swarm.set_flag("paused", actor="test")
        assert reader().database.swarm.flags() == {}
        with reader.writing() as database:
            database.swarm.set_flag("paused", actor="test")
        assert "paused" in reader().database.swarm.flags()
        reader.close()


def test_a_replaced_database_is_reopened(tmp_path: Path) -> None:
    path = tmp_path / "tasks.db"
    TaskDatabase(path).close()
    reader = Reader(path, ManualClock())
    first = reader()
    assert reader() is first
    TaskDatabase(tmp_path / "other.db").close()
    (tmp_path / "other.db").replace(path)
    assert reader() is not first
    reader.close()
