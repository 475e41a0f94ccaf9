"""Nothing from elsewhere gets through; generated from the routing table, so that it covers new routes as well."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from dashboard_harness import HOST, DashboardHarness
from werkzeug.test import TestResponse

from swarm_dashboard.web.guard import HEADERS, OPEN_ENDPOINTS, SOCKET_ENDPOINT, host_is_ours

FOREIGN_HOSTS = ("evil.example:8765", "localhost.evil.example", "127.0.0.1.:8765", "localhost.", "127.0.0.1@evil", "")
FOREIGN_ORIGINS = (
    "http://evil.example",
    "http://127.0.0.1:3000",
    "http://localhost:8765",
    "https://" + HOST,
    "null",
    None,
)
FOREIGN_SITES = ("cross-site", "same-site", "none")


@pytest.fixture
def harness(tmp_path: Path) -> DashboardHarness:
    made = DashboardHarness(tmp_path)
    made.add("a/b c", "2")
    made.settle(made.start())
    return made


def routes(harness: DashboardHarness) -> Iterator[tuple[str, str, str]]:
    """Every (method, address, endpoint) of the app, with parameters filled in."""
    values = {
        "task_id": "a/b c",
        "number": 1,
        "row_id": 1,
        "worker_id": "worker-1",
        "rest": "nothing",
        "filename": "app.js",
        "version": "0123456789abcdef",
    }
    adapter = harness.app.url_map.bind(HOST)
    for rule in harness.app.url_map.iter_rules():
        if rule.endpoint == SOCKET_ENDPOINT:
            continue
        path = (
            adapter.build(rule.endpoint, {name: values[name] for name in rule.arguments})
            if rule.arguments
            else rule.rule
        )
        for method in rule.methods or ():
            yield method, path, rule.endpoint


def ask(harness: DashboardHarness, method: str, path: str, **headers: str | None) -> TestResponse:
    body = {} if method in ("GET", "HEAD") else {"json": {}}
    return harness.client.open(path, method=method, headers=harness.headers(**headers), **body)


def test_the_routing_table_is_read(harness: DashboardHarness) -> None:
    found = {(method, endpoint) for method, _, endpoint in routes(harness)}
    assert ("POST", "verbs.task_retry") in found
    assert ("GET", "api.status") in found
    assert len(found) > 25


@pytest.mark.parametrize("host", FOREIGN_HOSTS)
def test_every_route_refuses_a_foreign_host(harness: DashboardHarness, host: str) -> None:
    for method, path, _ in routes(harness):
        assert ask(harness, method, path, Host=host).status_code == 400, (method, path)
    assert ask(harness, "GET", "/no/such/route", Host=host).status_code == 400


@pytest.mark.parametrize("host", [HOST, "localhost:9000", "LOCALHOST", "[::1]:8765", "127.0.0.1"])
def test_the_names_of_this_machine_are_accepted_with_any_port(harness: DashboardHarness, host: str) -> None:
    assert ask(harness, "GET", "/api/status", Host=host).status_code == 200


@pytest.mark.parametrize("origin", FOREIGN_ORIGINS)
def test_every_change_refuses_a_foreign_or_missing_origin(harness: DashboardHarness, origin: str | None) -> None:
    changes = [(method, path) for method, path, _ in routes(harness) if method == "POST"]
    assert changes
    for method, path in changes:
        assert ask(harness, method, path, Origin=origin).status_code == 403, path
    assert harness.db.control.newest(limit=1) == []


@pytest.mark.parametrize("site", FOREIGN_SITES)
def test_every_route_behind_the_token_refuses_another_site(harness: DashboardHarness, site: str) -> None:
    for method, path, endpoint in routes(harness):
        if endpoint not in OPEN_ENDPOINTS:
            assert ask(harness, method, path, Sec_Fetch_Site=site).status_code == 403, path


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_every_change_refuses_a_body_that_a_form_could_send(harness: DashboardHarness, kind: str) -> None:
    for method, path, _ in routes(harness):
        if method == "POST":
            response = harness.client.post(path, data=b"{}", content_type=kind, headers=harness.headers())
            assert response.status_code == 400, path
    assert harness.db.control.newest(limit=1) == []


@pytest.mark.parametrize(
    "authorization", [None, "Bearer ", "Bearer wrong", "Basic {token}", "{token}", "Bearer {token}x"]
)
def test_every_route_but_the_page_and_the_health_check_requires_the_token(
    harness: DashboardHarness, authorization: str | None
) -> None:
    given = None if authorization is None else authorization.replace("{token}", harness.token)
    for method, path, endpoint in routes(harness):
        status = ask(harness, method, path, Authorization=given).status_code
        if endpoint in OPEN_ENDPOINTS:
            assert status == 200, path
        else:
            assert status in (401, 429), path


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
def test_no_route_accepts_another_method(harness: DashboardHarness, method: str) -> None:
    for _, path, _ in routes(harness):
        assert ask(harness, method, path).status_code == 405, path


def test_every_response_has_the_headers_and_no_cookie(harness: DashboardHarness) -> None:
    answers = [ask(harness, method, path) for method, path, _ in routes(harness)]
    answers += [
        ask(harness, "GET", "/nothing"),
        ask(harness, "GET", "/", Host="evil"),
        ask(harness, "PUT", "/api/status"),
    ]
    answers.append(ask(harness, "GET", "/api/status", Authorization=None))
    for answer in answers:
        for name, value in HEADERS.items():
            assert answer.headers[name] == value, answer.request.path
        assert "Set-Cookie" not in answer.headers
        assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]


def test_reading_changes_nothing(harness: DashboardHarness) -> None:
    before = harness.db.connection.data_version()
    for method, path, _ in routes(harness):
        if method in ("GET", "HEAD"):
            assert ask(harness, method, path).status_code < 500, path
    assert harness.db.connection.data_version() == before


def test_the_sixth_wrong_token_in_a_minute_is_throttled_and_the_right_one_still_works(
    harness: DashboardHarness,
) -> None:
    tries = [harness.get("/api/status", Authorization="Bearer guess").status_code for _ in range(7)]
    assert tries == [401] * 5 + [429] * 2
    assert harness.get("/api/status").status_code == 200
    harness.clock.pass_s(61)
    assert harness.get("/api/status", Authorization="Bearer guess").status_code == 401


def test_clients_on_other_machines_cannot_keep_guessing_while_throttled(tmp_path: Path) -> None:
    harness = DashboardHarness(tmp_path, host="0.0.0.0", own_token="a token of my own")
    far = {"REMOTE_ADDR": "192.0.2.7"}
    for _ in range(5):
        harness.client.get("/api/status", headers=harness.headers(Authorization="Bearer x"), environ_overrides=far)
    assert harness.client.get("/api/status", headers=harness.headers(), environ_overrides=far).status_code == 429
    assert harness.get("/api/status").status_code == 200


def test_a_body_of_more_than_a_megabyte_is_refused(harness: DashboardHarness) -> None:
    response = harness.post("/api/tasks/2/retry", {"note": "x" * (1024 * 1024)})
    assert response.status_code == 413


def test_forwarded_headers_change_nothing(harness: DashboardHarness) -> None:
    for name in ("X_Forwarded_Host", "X_Forwarded_For", "Forwarded", "X_Forwarded_Proto"):
        assert harness.get("/api/status", Host="evil.example", **{name: "127.0.0.1"}).status_code == 400


def test_beyond_loopback_ip_addresses_are_accepted_and_names_are_not() -> None:
    assert host_is_ours("192.168.1.5:8765", "0.0.0.0")
    assert host_is_ours("[fe80::1]:8765", "::")
    assert not host_is_ours("rebound.example:8765", "0.0.0.0")
    assert not host_is_ours("192.168.1.5:8765", "127.0.0.1")


def test_without_authentication_the_other_checks_remain(tmp_path: Path) -> None:
    harness = DashboardHarness(tmp_path, open_to_all=True)
    assert harness.get("/api/status", Authorization=None).get_json()["auth"] == "none"
    assert harness.get("/api/status", Authorization=None, Host="evil").status_code == 400
    assert harness.post("/api/pause", Authorization=None, Origin="http://evil").status_code == 403


def test_the_page_itself_has_nothing_inline(harness: DashboardHarness) -> None:
    page = harness.get("/").get_data(as_text=True)
    assert "<script>" not in page
    assert "style=" not in page
    assert "onclick" not in page
