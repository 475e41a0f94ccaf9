"""The error if supervisord cannot be reached, and how long it may take."""

from __future__ import annotations

import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from swarm_shared.domain.errors import NotFound, SupervisorError
from swarm_shared.supervisor.client import SupervisorAbsent, SupervisorClient, SupervisorUnreachable, process_name


@pytest.fixture
def path() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="sw-"))
    yield folder / "socket"
    shutil.rmtree(folder)


@pytest.fixture
def listener(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        listening.bind(str(path))
        listening.listen()
        yield listening


def test_a_missing_socket_means_that_no_supervisord_runs(path: Path) -> None:
    with pytest.raises(SupervisorAbsent, match="no supervisord runs") as error:
        SupervisorClient(path).state()
    assert "amplifier-swarm start" in str(error.value.hint)


def test_a_socket_left_behind_by_its_supervisord_is_reported_as_well(path: Path, listener: socket.socket) -> None:
    listener.close()
    assert path.exists()
    with pytest.raises(SupervisorAbsent, match="no supervisord runs"):
        SupervisorClient(path).state()


def test_a_supervisord_that_does_not_respond_is_given_up_after_the_timeout(path: Path, listener: socket.socket) -> None:
    with pytest.raises(SupervisorUnreachable, match=r"did not answer within 0\.05 s") as error:
        SupervisorClient(path, timeout_s=0.05).state()
    assert not isinstance(error.value, SupervisorAbsent)  # it is there


@pytest.mark.parametrize(
    "answer",
    [b"", b"hello\r\n", b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\nno xml"],
    ids=["hangs up", "no http", "internal error", "no xml"],
)
def test_another_program_at_the_socket_is_a_clear_error(path: Path, listener: socket.socket, answer: bytes) -> None:
    def serve() -> None:
        while True:  # the standard library calls a second time if the first connection was closed
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

    server = threading.Thread(target=serve)
    server.start()
    try:
        with pytest.raises(SupervisorUnreachable) as error:
            SupervisorClient(path).state()
        assert error.value.hint
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        server.join()


def test_a_path_that_is_too_long_for_a_socket_is_not_a_traceback() -> None:
    with pytest.raises(SupervisorUnreachable):
        SupervisorClient(Path("/", "x" * 200)).state()


@pytest.mark.parametrize("url", [None, "", "http://127.0.0.1:9001"])
def test_a_service_without_supervisord_explains_how_to_start_it(
    monkeypatch: pytest.MonkeyPatch, url: str | None
) -> None:
    if url is None:
        monkeypatch.delenv("SUPERVISOR_SERVER_URL", raising=False)
    else:
        monkeypatch.setenv("SUPERVISOR_SERVER_URL", url)
    with pytest.raises(SupervisorError) as error:
        SupervisorClient.from_environment()
    assert error.value.exit_code == 7


def test_a_worker_has_one_name_in_supervisord() -> None:
    assert process_name("worker-3") == "swarm-worker:swarm-worker-3"


@pytest.mark.parametrize("name", ["worker", "worker-0", "worker-x", "swarm-worker-1", "worker-1:*", "", "*"])
def test_an_unknown_worker_name_is_not_found(name: str) -> None:
    with pytest.raises(NotFound):
        process_name(name)
