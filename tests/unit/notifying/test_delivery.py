"""One message to one target: what counts as accepted, how it fails, and that nothing waits forever."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from webhook_harness import Webhook, webhook

from swarm_shared.domain.notices import Notice, NoticeKind
from swarm_shared.notifying.delivery import deliver, problem_of, redacted
from swarm_shared.notifying.message import Message
from swarm_shared.settings.notify_settings import NotifyTarget

SECRET = "sekret-topic-4711"
MESSAGE = Message(
    key="key-1",
    swarm="tasks.db",
    notices=(
        Notice(kind=NoticeKind.FINISHED, at=1_000, text="all done"),
        Notice(kind=NoticeKind.NEEDS_YOU, at=2_000, text="Task a is held: why?", task="a"),
    ),
    counts={"finished": 1, "needs_you": 3},
)


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as harness:
        yield harness


def to(way: str, address: str) -> NotifyTarget:
    return NotifyTarget(way=way, address=address)


def test_a_webhook_gets_json_and_the_key(hook: Webhook, tmp_path: Path) -> None:
    assert deliver(to("webhook", hook.url()), MESSAGE, {}, cwd=tmp_path).error is None
    (body,) = hook.received
    assert hook.keys == ["key-1"]
    assert body["key"] == "key-1"
    assert body["title"] == "tasks.db: 3 tasks need you; finished"
    assert body["events"][1] == {
        "event": "needs_you",
        "at": "1970-01-01T00:00:02.000Z",
        "text": "Task a is held: why?",
        "task": "a",
    }
    assert body["text"].splitlines()[-1] == "and 2 more"


@pytest.mark.parametrize(("status", "final"), [(404, True), (401, True), (429, False), (408, False), (503, False)])
def test_a_refusal_is_final_unless_another_try_can_succeed(
    hook: Webhook, tmp_path: Path, status: int, final: bool
) -> None:
    hook.status = status
    delivery = deliver(to("webhook", hook.url()), MESSAGE, {}, cwd=tmp_path)
    assert str(status) in str(delivery.error)
    assert delivery.is_final is final


def test_a_redirect_is_not_followed(hook: Webhook, tmp_path: Path) -> None:
    hook.status, hook.headers = 307, {"Location": hook.url("/elsewhere")}
    assert "307" in str(deliver(to("webhook", hook.url()), MESSAGE, {}, cwd=tmp_path).error)
    assert hook.paths == ["/hook"]


def test_a_receiver_that_sends_a_byte_now_and_then_does_not_outlast_the_limit(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        stop = threading.Event()

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\n")
                while not stop.wait(0.05):
                    try:
                        connection.sendall(b"X-Slow: 1\r\n")
                    except OSError:
                        return

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        began = time.monotonic()
        address = f"http://127.0.0.1:{server.getsockname()[1]}/"
        delivery = deliver(to("webhook", address), MESSAGE, {}, cwd=tmp_path, within_s=0.5)
        stop.set()
        thread.join()
    assert delivery.error == "no answer within 0.5 s"
    assert time.monotonic() - began < 5


def test_a_command_gets_the_message_on_standard_input(tmp_path: Path) -> None:
    command = to("command", 'cat > got.json; printf %s "$SWARM_NOTIFICATION_KEY" > key')
    assert deliver(command, MESSAGE, dict(os.environ), cwd=tmp_path).error is None
    assert json.loads((tmp_path / "got.json").read_text())["title"] == MESSAGE.title
    assert (tmp_path / "key").read_text() == "key-1"


def test_a_command_that_does_not_read_its_input_is_fine(tmp_path: Path) -> None:
    assert deliver(to("command", "exec true"), MESSAGE, dict(os.environ), cwd=tmp_path).error is None


def test_a_failing_command_is_quoted_with_its_last_line(tmp_path: Path) -> None:
    delivery = deliver(to("command", "echo first >&2; echo no pager >&2; exit 3"), MESSAGE, os.environ, cwd=tmp_path)
    assert delivery.error == "exit code 3: no pager"


def test_a_command_that_hangs_is_ended_with_everything_that_it_started(tmp_path: Path) -> None:
    command = to("command", "sleep 300 & echo $! > child; wait")
    delivery = deliver(command, MESSAGE, dict(os.environ), cwd=tmp_path, within_s=0.5)
    assert delivery.error == "no answer within 0.5 s"
    child = int((tmp_path / "child").read_text())
    for _ in range(500):
        if not _lives(child):
            return
        time.sleep(0.01)
    raise AssertionError("the command's child lives")


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.mark.parametrize("way", ["webhook", "url"])
def test_an_error_never_contains_the_address(tmp_path: Path, way: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    scheme = "http" if way == "webhook" else "json"
    target = to(way, f"{scheme}://127.0.0.1:{port}/${{HOOK}}?token={SECRET}")
    delivery = deliver(target, MESSAGE, {"HOOK": f"{SECRET}-2"}, cwd=tmp_path)
    assert delivery.error
    assert SECRET not in delivery.error


@pytest.mark.parametrize("quoted", ["https://h.org/plain-word-path?k=v", "/plain-word-path", "key sekret-topic-4711"])
def test_an_error_that_quotes_the_address_or_a_variable_is_redacted(quoted: str) -> None:
    target = to("webhook", "https://h.org/plain-word-path?k=${HOOK}")
    shown = redacted(f"failed: {quoted}", target, f"https://h.org/plain-word-path?k={SECRET}", {"HOOK": SECRET})
    assert "plain-word-path" not in shown
    assert SECRET not in shown


def test_a_command_that_prints_a_secret_of_the_environment_is_redacted(tmp_path: Path) -> None:
    environ = {**os.environ, "PAGER_TOKEN": "tok-9f8e7d6c5b4a"}
    delivery = deliver(to("command", 'echo "bad $PAGER_TOKEN" >&2; false'), MESSAGE, environ, cwd=tmp_path)
    assert "tok-9f8e" not in str(delivery.error)


def test_an_apprise_url_delivers(hook: Webhook, tmp_path: Path) -> None:
    target = to("url", hook.url().replace("http://", "json://"))
    assert problem_of(target, {}) is None
    assert deliver(target, MESSAGE, {}, cwd=tmp_path).error is None
    (body,) = hook.received
    assert body["title"] == MESSAGE.title
    assert "id: key-1" in body["message"]


def test_an_unknown_scheme_and_an_unset_variable_are_found_without_sending() -> None:
    assert "not a URL that Apprise supports" in str(problem_of(to("url", f"ntfyy://{SECRET}"), {}))
    assert "NTFY_URL is not set" in str(problem_of(to("url", "${NTFY_URL}"), {}))
    assert problem_of(to("command", "whatever"), {}) is None
