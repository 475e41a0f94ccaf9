"""Changes that git itself makes, by line endings, filters, encodings or keywords, are not work of a task."""

from __future__ import annotations

from pathlib import Path

import pytest
from repositories import Harness
from task_bench import Bench

from swarm_shared.git.landing.following import Integration
from swarm_shared.git.landing.land_into import land_into
from swarm_shared.git.landing.prune import prune
from swarm_shared.git.merging.merging import MergeKind
from swarm_shared.git.running.git_errors import DirtyCheckout

ATTRIBUTES = "*.txt text\n*.wide working-tree-encoding=UTF-16\n*.id ident\n*.up filter=up\n"
STORED = {
    "raw.txt": b"one\r\ntwo\r\n",
    "deep/raw two.txt": b"one\r\n",
    "raw.wide": b"\xff\xfeh\0i\0",
    "raw.id": b"a $Id: of somewhere else$ b\n",
    "raw.up": b"Hello\n",
}


def store(harness: Harness, files: dict[str, bytes]) -> str:
    """Commit contents unchanged, bypassing every conversion, as other tools and old commits did; returns the commit."""
    harness.git("config", "filter.up.smudge", "tr a-z A-Z")
    harness.git("config", "filter.up.clean", "tr A-Z a-z")
    harness.write({".gitattributes": ATTRIBUTES})
    harness.git("add", ".gitattributes")
    for name, content in files.items():
        source = harness.folder / "content"
        source.write_bytes(content)
        blob = harness.git("hash-object", "-w", "--no-filters", str(source))
        harness.git("update-index", "--add", "--cacheinfo", f"100644,{blob},{name}")
    harness.git("commit", "-q", "-m", "stored as it is")
    harness.git("checkout", "-f", "-q", "main")
    return harness.sha("main")


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A worktree whose base is not what git would store today."""
    bench = Bench(tmp_path)
    base = store(bench, STORED)
    bench.tree = bench.open("t", base)
    bench.base = base
    assert bench.git("status", "--porcelain", cwd=bench.at), "git no longer behaves as measured"
    return bench


def test_a_task_that_does_nothing_has_changed_nothing(bench: Bench) -> None:
    snapshot = bench.snap()
    assert (snapshot.head_sha, snapshot.changed, snapshot.created) == (bench.base, False, False)


def test_untouched_files_stay_as_they_are_next_to_real_work(bench: Bench) -> None:
    bench.write({"new.txt": "1\n", "a.txt": "edited\n"}, at=bench.at)
    head = bench.snap().head_sha
    changed = bench.git("diff", "--name-only", bench.base, head).splitlines()
    assert changed == ["a.txt", "new.txt"]


@pytest.mark.parametrize("name", sorted(STORED))
def test_an_edit_of_an_affected_file_is_work(bench: Bench, name: str) -> None:
    (bench.at / name).write_bytes((bench.at / name).read_bytes() + "more\n".encode("utf-16-le"))
    head = bench.snap().head_sha
    assert bench.git("diff", "--name-only", "-z", bench.base, head) == f"{name}\0"


def test_a_changed_mode_leaves_the_content_alone(bench: Bench) -> None:
    (bench.at / "raw.txt").chmod(0o755)
    head = bench.snap().head_sha
    assert bench.git("diff", "--summary", bench.base, head).strip() == "mode change 100644 => 100755 raw.txt"
    assert bench.git("rev-parse", f"{head}:raw.txt") == bench.git("rev-parse", f"{bench.base}:raw.txt")


def test_a_normalization_that_the_agent_commits_is_work(bench: Bench) -> None:
    bench.agent("add", "--renormalize", "raw.txt")
    bench.agent("commit", "-q", "-m", "line ends")
    head = bench.snap().head_sha
    assert bench.git("diff", "--name-only", bench.base, head).splitlines() == ["raw.txt"]


def test_a_lost_index_does_not_turn_it_into_work(bench: Bench) -> None:
    (bench.tree.checkout.git_dir / "index").unlink()
    assert bench.snap().head_sha == bench.base


def test_a_worktree_with_nothing_else_can_be_pruned(bench: Bench) -> None:
    integration = Integration(repository=bench.repo)
    integration.begin(bench.base)
    assert [(one.safe, one.kept_because) for one in prune(bench.trees, integration, busy=())] == [("t", None)]


def test_landing_into_the_branch_of_such_a_checkout_succeeds(bench: Bench) -> None:
    integration = Integration(repository=bench.repo)
    tip = integration.begin(bench.base)
    bench.write({"new": "1\n", "raw.txt": "edited\n"}, at=bench.at)
    landing = integration.plan_landing(bench.snap().head_sha, tip=tip, task_id="t", attempt_id="u", name="n")
    assert landing.new is not None
    integration.advance(landing.new, old=tip)
    assert bench.git("status", "--porcelain").splitlines() != []
    done = land_into(integration, "main")
    assert (done.merge.kind, done.checkout) == (MergeKind.FAST_FORWARD, bench.root)
    assert (bench.root / "raw.txt").read_text() == "edited\n"
    assert (bench.root / "new").exists()
    assert (bench.root / "raw.up").read_text() == "HELLO\n"


def test_landing_into_a_checkout_with_an_edit_is_still_refused(bench: Bench) -> None:
    integration = Integration(repository=bench.repo)
    tip = integration.begin(bench.base)
    bench.write({"raw.txt": "edited\n"}, at=bench.at)
    landing = integration.plan_landing(bench.snap().head_sha, tip=tip, task_id="t", attempt_id="u", name="n")
    assert landing.new is not None
    integration.advance(landing.new, old=tip)
    (bench.root / "raw.up").write_text("mine\n")
    with pytest.raises(DirtyCheckout) as caught:
        land_into(integration, "main")
    assert caught.value.paths == ("raw.up",)
    assert (bench.root / "raw.txt").read_bytes() == STORED["raw.txt"]


def test_files_are_restored_if_landing_into_a_checkout_fails(bench: Bench) -> None:
    integration = Integration(repository=bench.repo)
    tip = integration.begin(bench.base)
    bench.write({"raw.txt": "edited\n", "new": "1\n"}, at=bench.at)
    landing = integration.plan_landing(bench.snap().head_sha, tip=tip, task_id="t", attempt_id="u", name="n")
    assert landing.new is not None
    integration.advance(landing.new, old=tip)
    bench.write({"new": "in the way"})
    with pytest.raises(DirtyCheckout):
        land_into(integration, "main")
    assert (bench.root / "raw.txt").read_bytes() == STORED["raw.txt"]
    assert bench.sha("main") == bench.base
