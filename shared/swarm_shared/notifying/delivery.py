"""Sends one message to one target within a time limit; the outcome is a value."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from types import FrameType
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from swarm_shared.domain.errors import ConfigError
from swarm_shared.notifying.message import Message
from swarm_shared.redaction.redaction import MARK, Redaction
from swarm_shared.settings.notify_settings import NotifyTarget

SEND_WITHIN_S = 15.0
ERROR_CHARS = 300
_SOON_AGAIN = (408, 425, 429)  # the only client errors that a retry can fix
_LEAST_SECRET_CHARS = 6


class Delivery(Struct, frozen=True, kw_only=True):
    """The outcome of one attempt. `error` is None if the target accepted the message, and never contains a secret.

    `is_final`: retrying cannot succeed.
    """

    error: str | None = None
    is_final: bool = False


class _TooLate(Exception):
    """The time limit has passed."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A webhook that has moved must be corrected in swarm.yaml; messages are not sent to other addresses."""

    def redirect_request(self, *_: object) -> None:
        return None


def problem_of(target: NotifyTarget, environ: Mapping[str, str]) -> ConfigError | None:
    """Why nothing can be sent to the target; None if it looks fine. Sends nothing."""
    try:
        address = target.filled(environ)
    except ConfigError as error:
        return error
    if target.way == "url" and not _apprise_takes(address):
        return ConfigError(
            f"notify: {target.label} is not a URL that Apprise supports", hint="see https://github.com/caronc/apprise"
        )
    return None


def deliver(
    target: NotifyTarget, message: Message, environ: Mapping[str, str], *, cwd: Path, within_s: float = SEND_WITHIN_S
) -> Delivery:
    """Send it; in the main thread only, because the time limit is an alarm.

    Args:
        cwd: Where a command runs.
    """
    try:
        address = target.filled(environ)
    except ConfigError as error:
        return Delivery(error=error.message)
    try:
        with _time_limit(within_s):
            match target.way:
                case "webhook":
                    found = _post(address, message, within_s)
                case "command":
                    found = _run(address, message, environ, cwd)
                case _:
                    found = _by_apprise(address, message)
    except _TooLate:
        found = Delivery(error=f"no answer within {within_s:g} s")
    if found.error is None:
        return found
    return Delivery(error=redacted(found.error, target, address, environ)[:ERROR_CHARS], is_final=found.is_final)


def redacted(text: str, target: NotifyTarget, address: str, environ: Mapping[str, str]) -> str:
    """The text without the address, any part of it that may be secret, and the values of its variables."""
    secrets = {address} | {environ[name] for name in target.variables if environ.get(name)}
    if target.way != "command":
        tail = address.partition("://")[2]
        parts = re.split(r"[/?&=#:@]", tail)
        host = urlsplit(address).hostname if target.way == "webhook" else None
        secrets |= {tail, *parts, *map(unquote, parts)} - {host}
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) >= _LEAST_SECRET_CHARS:
            text = text.replace(secret, MARK)
    return Redaction(environ).text(" ".join(text.split()))


def _post(address: str, message: Message, within_s: float) -> Delivery:
    request = urllib.request.Request(
        address,
        data=json.dumps(message.as_json(), ensure_ascii=False).encode("utf-8", "replace"),
        headers={
            "Content-Type": "application/json; charset=utf-8",
            "Idempotency-Key": message.key,
            "User-Agent": "amplifier-swarm",
        },
    )
    try:
        with urllib.request.build_opener(_NoRedirect).open(request, timeout=within_s):
            return Delivery()  # any status from 200 to 299
    except urllib.error.HTTPError as error:
        final = error.code < 500 and error.code not in _SOON_AGAIN
        return Delivery(error=f"HTTP {error.code} {error.reason}", is_final=final)
    except urllib.error.URLError as error:
        return Delivery(error=str(error.reason))
    except (OSError, HTTPException, ValueError) as error:
        return Delivery(error=str(error) or type(error).__name__)


def _run(command: str, message: Message, environ: Mapping[str, str], cwd: Path) -> Delivery:
    try:
        process = subprocess.Popen(
            ["/bin/sh", "-c", command],
            cwd=cwd,
            env={**environ, "SWARM_NOTIFICATION_KEY": message.key},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        return Delivery(error=f"the command could not be started: {error.strerror}")
    try:
        _, printed = process.communicate(json.dumps(message.as_json()).encode())
    finally:
        try:
            os.killpg(process.pid, signal.SIGKILL)  # and any children it left running
        except ProcessLookupError:
            pass
        process.wait()
    if process.returncode == 0:
        return Delivery()
    lines = printed.decode(errors="replace").strip().splitlines()
    how = f"exit code {process.returncode}" if process.returncode > 0 else f"signal {-process.returncode}"
    return Delivery(error=f"{how}: {lines[-1]}" if lines else how)


def _by_apprise(address: str, message: Message) -> Delivery:
    import apprise  # imported late: slow, and only needed for such targets

    with apprise.LogCapture(level=logging.WARNING) as log:
        sender = apprise.Apprise()
        if not sender.add(address):
            return Delivery(error="not a URL that Apprise supports", is_final=True)
        if sender.notify(title=message.title, body=f"{message.text}\n\nid: {message.key}"):
            return Delivery()
        lines = log.getvalue().strip().splitlines()
    return Delivery(error=lines[-1] if lines else "not accepted")


def _apprise_takes(address: str) -> bool:
    import apprise

    with apprise.LogCapture(level=logging.CRITICAL):
        return apprise.Apprise.instantiate(address) is not None


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Raise `_TooLate` wherever the code is blocked; socket timeouts restart with every byte received."""

    def expire(number: int, frame: FrameType | None) -> None:
        raise _TooLate

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
