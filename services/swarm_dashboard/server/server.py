"""gunicorn, configured to stop immediately, to trust no header, and to open only the one port."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Sequence
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication

from swarm_dashboard.app import create_app, live_of
from swarm_dashboard.config import DashboardConfig
from swarm_dashboard.server.gate import GatedWorker
from swarm_shared.processes.identity import ProcessId, wait_for_ends
from swarm_shared.program import logs

# Responses take milliseconds and open pages are dropped immediately, so a longer wait is never needed.
GRACE_S = 1
KEEP_ALIVE_S = 1  # an idle connection holds up the end for as long as it is kept
OWNER_POLL_S = 60.0
_IGNORED = (signal.SIGTTIN, signal.SIGTTOU, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH)
_log = logging.getLogger(__name__)


class Server(BaseApplication):  # type: ignore[misc]  # the library has no types
    """One master that never opens the database, and one worker process with threads."""

    def __init__(self, config: DashboardConfig, listener: socket.socket, owners: Sequence[ProcessId]) -> None:
        """Prepare to serve.

        Args:
            listener: Already listening; ownership passes to the server.
            owners: Processes that the dashboard must not outlive.
        """
        self._config = config
        self._descriptor = listener.detach()
        self._owners = tuple(owners)
        super().__init__()

    def load_config(self) -> None:
        settings = {
            "bind": f"fd://{self._descriptor}",
            "workers": 1,
            "worker_class": EndingWorker,
            "threads": self._config.threads,
            "graceful_timeout": GRACE_S,
            "keepalive": KEEP_ALIVE_S,
            "forwarded_allow_ips": "",
            "secure_scheme_headers": {},
            "limit_request_fields": 50,
            "accesslog": None,
            "errorlog": "-",
            "loglevel": "info" if self._config.verbose else "warning",
            "proc_name": "swarm-dashboard",
            "when_ready": _take_signals,
            "post_worker_init": self._watch_owners,
            "worker_exit": _leave_at_once,
        }
        for name, value in settings.items():
            self.cfg.set(name, value)
        # Versions that have a control socket open it by default.
        if "control_socket_disable" in self.cfg.settings:
            self.cfg.set("control_socket_disable", True)

    def load(self) -> Flask:
        return create_app(self._config)

    def _watch_owners(self, worker: Any) -> None:
        master = ProcessId.of(os.getppid())
        if master is not None:
            threading.Thread(target=_watch, args=(master, self._owners), name="owners", daemon=True).start()


class EndingWorker(GatedWorker):
    """Drops the open pages first, because they would keep their threads until the grace period is over."""

    def handle_exit(self, sig: int, frame: Any) -> None:
        if not self.booted:
            os._exit(0)  # stopped while the app loads: an exception here would count as a failed start
        super().handle_exit(sig, frame)
        # Not in the handler: it may have interrupted the code that holds the same lock.
        threading.Thread(target=live_of(self.wsgi).end, daemon=True).start()


def _watch(master: ProcessId, owners: Sequence[ProcessId]) -> None:
    """End with the process that started the swarm, and never continue without the master."""
    while True:
        wait_for_ends([master, *owners], OWNER_POLL_S)
        if master.is_alive() is False:
            os._exit(0)  # frees the port; no cleanup is needed
        if any(owner.is_alive() is False for owner in owners):
            logs.event(_log, "dashboard_abandoned", level=logging.WARNING)
            master.kill(signal.SIGTERM)
            wait_for_ends([master], OWNER_POLL_S)


def _take_signals(arbiter: Any) -> None:
    """A closed terminal ends us; signals that would restart us or add workers are ignored."""
    signal.signal(signal.SIGHUP, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)


def _leave_at_once(arbiter: Any, worker: Any) -> None:
    # Python would wait for threads that wait for browsers.
    if worker.booted and os.getpid() == worker.pid:
        os._exit(0)
