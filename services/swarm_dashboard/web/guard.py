"""The checks of every request before its route: Host, Origin, content type, token; and the response headers.

A page on any site may send requests to a port of this machine, so being local proves nothing. The Host check is the
only defence against a name that is rebound to 127.0.0.1.
"""

from __future__ import annotations

import ipaddress
import re

from flask import Flask, Response, g, request

from swarm_dashboard.config import DashboardConfig, is_loopback
from swarm_dashboard.web.access import Access
from swarm_dashboard.web.json_responses import refusal
from swarm_dashboard.web.static_files import CACHED, VERSIONED_ENDPOINT

READING = frozenset({"GET", "HEAD"})
OPEN_ENDPOINTS = frozenset({"static", VERSIONED_ENDPOINT, "pages.shell", "pages.healthz", "pages.state_icon"})
SOCKET_ENDPOINT = "live"
REPORT_ENDPOINT = "reports.page"
BY_TICKET = frozenset({SOCKET_ENDPOINT, REPORT_ENDPOINT})  # which their routes ask for in place of the token
_HOST = re.compile(r"(?P<name>\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+)(?::\d{1,5})?")
_LOCAL_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "frame-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
# The report is one page without scripts and links. It gets no origin, so it could reach nothing even if it had some.
REPORT_HEADERS = HEADERS | {
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'none'",
            "style-src 'unsafe-inline'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'self'",
            "sandbox",
        )
    ),
    "Cross-Origin-Opener-Policy": "unsafe-none",  # browsers refuse any other policy on a page without an origin
}


def install(app: Flask, config: DashboardConfig, access: Access) -> None:
    """Install the guard before and the headers after every route of the app, including routes of later blueprints."""

    @app.before_request
    def check() -> Response | None:
        if not host_is_ours(request.headers.get("Host", ""), config.host):
            return refusal(
                400, "bad_host", "the dashboard does not accept this host name", "open it as 127.0.0.1 or localhost"
            )
        endpoint = request.endpoint
        if endpoint is None:
            return None  # the routing's own 404 or 405
        if endpoint == SOCKET_ENDPOINT or request.method not in READING:
            found = _check_origin()
            if found is not None:
                return found
        if endpoint in OPEN_ENDPOINTS:
            return None
        if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
            return refusal(403, "foreign_site", "this request comes from another site", "use the dashboard's own page")
        if endpoint in BY_TICKET:
            return None
        return _check_token(access) or _check_body()

    @app.after_request
    def harden(response: Response) -> Response:
        is_report = request.endpoint == REPORT_ENDPOINT and response.status_code == 200
        response.headers.update(REPORT_HEADERS if is_report else HEADERS)
        if g.get("may_be_cached") and response.status_code == 200:
            response.headers["Cache-Control"] = CACHED
        return response


def host_is_ours(host: str, bound_to: str) -> bool:
    """Whether a Host header names this machine: exactly, with any port, so that a forwarded port works.

    If bound beyond loopback, addresses are accepted too: only a name can be rebound, not an address.
    """
    found = _HOST.fullmatch(host)
    if found is None:
        return False
    name = found["name"].lower()
    if name in _LOCAL_NAMES or name == bound_to.lower():
        return True
    if is_loopback(bound_to):
        return False
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def _check_origin() -> Response | None:
    if request.headers.get("Origin") != f"http://{request.headers.get('Host', '')}":
        return refusal(
            403,
            "foreign_origin",
            "a change must come from the dashboard's own page",
            "programs send the header Origin: http:// and the same host and port as in the address",
        )
    return None


def _check_token(access: Access) -> Response | None:
    address = request.remote_addr or ""
    throttled = access.is_throttled(address)
    # On this machine a stray tab with an old token must not lock out the valid one; elsewhere, guessing is stopped.
    if not (throttled and not is_loopback(address)) and access.is_allowed(request.headers.get("Authorization", "")):
        return None
    if throttled:
        return refusal(429, "too_many_tries", "too many wrong tokens", "wait a minute")
    access.note_failure(address)
    return refusal(401, "no_token", "the token is missing or wrong", "amplifier-swarm dashboard prints the link")


def _check_body() -> Response | None:
    if request.method in READING:
        return None
    if request.mimetype != "application/json":
        return refusal(400, "not_json", "the body must be JSON", "send Content-Type: application/json")
    return None
