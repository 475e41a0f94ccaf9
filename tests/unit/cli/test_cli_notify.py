"""`notify` and `notify test`, and that no command shows an address."""

from __future__ import annotations

import pytest
from cli_harness import CliHarness
from webhook_harness import webhook

from swarm_shared.domain.notices import Notice, NoticeKind

SECRET = "sekret-4711"


def configure(harness: CliHarness, text: str) -> None:
    harness.db.with_name("swarm.yaml").write_text(text, encoding="utf-8")


def test_a_test_message_reaches_each_target_and_an_unreachable_one_gives_exit_code_3(
    harness: CliHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.queue()
    monkeypatch.setenv("HOOK", SECRET)
    with webhook() as hook, webhook() as dead:
        dead.status = 403
        configure(harness, f'notify: [{{webhook: "{hook.url()}/${{HOOK}}"}}]')
        ran = harness.run("notify", "test")
        assert (ran.code, ran.out) == (0, "ok   webhook ${HOOK}: accepted\n")
        assert hook.received[0]["title"] == "tasks.db: test"
        configure(harness, f"notify: [{{webhook: {hook.url()}}}, {{webhook: {dead.url()}}}]")
        ran = harness.run("notify", "test", "--json")
    assert ran.code == 3
    assert [each["accepted"] for each in ran.json["targets"]] == [True, False]
    assert ran.json["targets"][1]["error"] == "HTTP 403 Forbidden"


def test_without_targets_the_test_explains_how_to_add_one(harness: CliHarness) -> None:
    harness.queue()
    ran = harness.run("notify", "test")
    assert ran.code == 3
    assert "no notifications are set up" in ran.err


def test_targets_and_messages_are_listed_without_addresses(harness: CliHarness) -> None:
    harness.queue()
    configure(harness, f"notify: [{{webhook: 'https://h.example.org/{SECRET}', on: [finished]}}]")
    with harness.open() as database, database.connection.transaction():
        notice = Notice(kind=NoticeKind.FINISHED, at=0, text="all done")
        database.outbox.add("some-key", "webhook h.example.org", [notice], due_at=0)
    ran = harness.run("notify")
    assert ran.code == 0
    assert "webhook h.example.org" in ran.out
    assert "1 finished" in ran.out
    shown = harness.run("notify", "--json").json
    assert shown["targets"] == [{"target": "webhook h.example.org", "on": ["finished"]}]
    assert shown["messages"][0]["status"] == "waiting"
    for words in (("notify",), ("notify", "--json"), ("config",), ("config", "--json"), ("doctor",)):
        ran = harness.run(*words)
        assert SECRET not in ran.out + ran.err, words


def test_doctor_names_a_variable_that_is_not_set(harness: CliHarness) -> None:
    harness.queue()
    configure(harness, 'notify: [{url: "${NTFY_URL}"}]')
    assert "NTFY_URL is not set, which url ${NTFY_URL} needs" in harness.run("doctor").out
