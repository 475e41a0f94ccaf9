"""One call to a supervisord over its unix socket, with a time limit and readable errors."""

from __future__ import annotations

import http.client
import socket
import xmlrpc.client
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError

from swarm_shared.supervisor.faults import HINTS, SupervisorAbsent, SupervisorRefused, SupervisorUnreachable


def call(socket_path: Path, timeout_s: float, method: str, arguments: Sequence[object]) -> Any:
    """The answer of one XML-RPC method, over its own connection.

    Raises:
        SupervisorAbsent: Nothing listens there.
        SupervisorUnreachable: Nothing answers there, or not within the timeout.
        SupervisorRefused: supervisord answered with a fault.
    """
    transport = _UnixTransport(socket_path, timeout_s)
    try:
        with xmlrpc.client.ServerProxy("http://localhost", transport=transport) as server:
            return getattr(server, method)(*arguments)
    except xmlrpc.client.Fault as fault:
        raise SupervisorRefused(
            _said(fault.faultString),
            fault=fault.faultCode,
            hint=HINTS.get(fault.faultCode),
        ) from fault
    except TimeoutError as error:
        raise SupervisorUnreachable(
            f"supervisord did not answer within {timeout_s:g} s at {socket_path}",
            hint="see whether the machine is overloaded or supervisord suspended",
        ) from error
    except PermissionError as error:
        raise SupervisorUnreachable(
            f"the control socket {socket_path} belongs to another user",
            hint="run the command as the user who started the swarm",
        ) from error
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise SupervisorAbsent(
            f"no supervisord runs at {socket_path}",
            hint="start it with `amplifier-swarm start` or `supervisord -c supervisord.conf`",
        ) from error
    except (OSError, http.client.HTTPException, xmlrpc.client.Error, ExpatError) as error:
        raise SupervisorUnreachable(
            f"no sensible answer from supervisord at {socket_path}: {error}",
            hint="its log, supervisord.log, may say why",
        ) from error


def _said(text: str) -> str:
    """A fault's text: supervisord puts its own name for the fault before it."""
    name, colon, words = text.partition(": ")
    return words if colon and name.isupper() else f"supervisord refused: {text}"


class _UnixTransport(xmlrpc.client.Transport):
    def __init__(self, socket_path: Path, timeout_s: float) -> None:
        super().__init__()
        self._socket_path = socket_path
        self._timeout_s = timeout_s

    def make_connection(self, host: tuple[str, dict[str, str]] | str) -> http.client.HTTPConnection:
        connection = _UnixConnection(self._socket_path, self._timeout_s)
        self._connection = host, connection  # what the base class closes
        return connection


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, socket_path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._socket_path = socket_path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._socket_path))
