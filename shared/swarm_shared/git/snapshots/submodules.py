"""The submodules of a worktree: their commits are kept in the project's repositories of the submodules.

Git gives each worktree its own repositories for submodules, below its git directory, and deletes them with it. A
commit that was made there and pushed nowhere is then gone, though a landed pointer names it.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from swarm_shared.domain.branch_names import KEPT_REFS
from swarm_shared.git.plumbing.commits import commit_tree
from swarm_shared.git.plumbing.refs import RefMove, has_commit, move_refs, read_ref, tree_of
from swarm_shared.git.plumbing.repository import Repository
from swarm_shared.git.plumbing.stale_locks import clear_stale, worktree_locks
from swarm_shared.git.running.git_errors import GitError
from swarm_shared.git.running.runner import LONG_S, Git
from swarm_shared.git.snapshots.checkout import Checkout
from swarm_shared.git.snapshots.working_tree import write_working_tree

MODULES = "modules"
# In a worktree's git directory: the submodules as `setup` left them, so that files that it builds are not work.
_AS_SET_UP = "swarm-submodules"
_NONE = (0, 1, 128)
# Settings that no git of ours runs a program by, or looks for further settings.
_HARMLESS = re.compile(
    r"core\.(repositoryformatversion|filemode|bare|logallrefupdates|worktree|symlinks|ignorecase|precomposeunicode)"
    r"|remote\..+\.(url|pushurl|fetch)|branch\..+\.(remote|merge|rebase)|submodule\..+\.(url|active)"
    r"|submodule\.active|user\.(name|email)|extensions\.objectformat",
    re.DOTALL,
)


class Module(Struct, frozen=True, kw_only=True):
    """A submodule of a worktree that has a repository there.

    Args:
        name: Of its repository below `modules`; those of nested ones hold a further `modules`.
        path: From the top of the worktree.
        checkout: Its files and repository.
        parent: The worktree, or the submodule, whose commits point to it.
        unsafe: Why no git may work in it, where git is wary; None: it may.
    """

    name: str
    path: str
    checkout: Checkout
    parent: Checkout
    unsafe: str | None = None


class Secured(Struct, frozen=True, kw_only=True):
    """The result for a submodule's work.

    Args:
        head_sha: Where the submodule is.
        unpushed: No remote branch that is known here contains it.
        committed: A commit was made of what was there.
        problem: Why its commits could not be brought to the project; they are in the worktree alone.
    """

    path: str
    head_sha: str
    unpushed: bool
    committed: bool = False
    problem: str | None = None


def modules_of(checkout: Checkout) -> tuple[Module, ...]:
    """The submodules that were filled here, outer ones first; a worktree without any costs no git process.

    The files of one may be deleted since; its repository is still there.
    """
    return tuple(_below(checkout, checkout, ""))


def note_set_up(checkout: Checkout) -> None:
    """Remember the submodules as they are now, before an agent works in them."""
    found = {}
    for module in modules_of(checkout):
        head = module.checkout.head_sha() if module.checkout.path.is_dir() and module.unsafe is None else None
        if head is not None:
            found[module.name] = write_working_tree(module.checkout, known=head).tree
    if found:
        (checkout.git_dir / _AS_SET_UP).write_text(json.dumps(found))


def secure(repository: Repository, checkout: Checkout, *, safe: str, message: str | None) -> tuple[Secured, ...]:
    """Commit what is in the submodules of a worktree, and bring what is in no remote into the project's repository.

    Nothing may run here. Inner submodules come first, so that the commits of outer ones point to theirs.

    Args:
        message: Of the commits; None to make none: then what is not committed is a problem.
    """
    as_set_up = _as_set_up(checkout)
    return tuple(
        _secure_one(repository, module, as_set_up.get(module.name), safe, message)
        for module in reversed(modules_of(checkout))
        if _head(module) is not None
    )


def align(repository: Repository, checkout: Checkout) -> bool:
    """Check out in each submodule what its parent's HEAD points to; False where that commit is not to be found."""
    aligned = True
    for module in modules_of(checkout):
        sha = _pointer(module) if module.checkout.path.is_dir() else None
        git = module.checkout.git
        if sha is None or sha == module.checkout.head_sha():
            continue
        if module.unsafe is None and not has_commit(git, sha):
            _bring_kept(repository, module.name, module.checkout.git_dir)
        if module.unsafe is not None or not has_commit(git, sha):
            aligned = False
            continue
        git.ask("checkout", "--quiet", "--force", "--detach", sha, timeout_s=LONG_S)
    return aligned


def seed(repository: Repository, checkout: Checkout) -> None:
    """Give a worktree the submodule commits that only the project has.

    `git submodule update` finds them there in a new one; in an old one an agent can merge what others have landed.
    """
    home = repository.common_dir / MODULES
    for name in _names(home, ""):
        target = checkout.git_dir / MODULES / name
        if _has_kept(home / name):
            if not target.exists():
                _make(repository, target, like=home / name)
            if _unsafe(checkout.git, target) is None:
                _bring_kept(repository, name, target)


def empty_modules(repository: Repository) -> tuple[str, ...]:
    """The submodules of the user's last commit, which a new worktree has no files of."""
    top, head = repository.top_level, repository.head_sha
    if top is None or head is None or not (top / ".gitmodules").exists():
        return ()
    names = ("config", "--null", "--blob", f"{head}:.gitmodules", "--get-regexp", r"\.path$")
    declared = repository.git.ask(*names, ok=_NONE)
    return tuple(item.partition("\n")[2] for item in os.fsdecode(declared.out).split("\0") if item)


def _below(top: Checkout, parent: Checkout, prefix: str) -> Iterator[Module]:
    home = parent.git_dir / MODULES
    for name in _names(home, ""):
        git_dir = home / name
        answer = parent.git.at(cwd=Path("/"), git_dir=None, work_tree=None).ask(
            "config", "--file", str(git_dir / "config"), "core.worktree", ok=_NONE
        )
        path = Path(os.path.normpath(git_dir / os.fsdecode(answer.out).removesuffix("\n")))
        if answer.out and path.is_relative_to(parent.path):
            yield from _found(top, parent, prefix + name, path, git_dir)
    for name, path in _declared(parent):
        # Cloned by the agent itself, commits and all.
        if (path / ".git").is_dir() and not (path / ".git").is_symlink():
            yield from _found(top, parent, prefix + name, path, path / ".git")


def _found(top: Checkout, parent: Checkout, name: str, path: Path, git_dir: Path) -> Iterator[Module]:
    git = parent.git.offline() if parent.git.wary else parent.git
    checkout = Checkout.of(git, path=path, git_dir=git_dir)
    below, unsafe = str(path.relative_to(top.path)), _unsafe(git, git_dir)
    yield Module(name=name, path=below, checkout=checkout, parent=parent, unsafe=unsafe)
    yield from _below(top, checkout, f"{name}/{MODULES}/")


def _declared(parent: Checkout) -> Iterator[tuple[str, Path]]:
    """Names and folders of the submodules that the files of a checkout declare."""
    file = parent.path / ".gitmodules"
    if not file.is_file():
        return
    entries = ("config", "--null", "--file", str(file), "--get-regexp", r"^submodule\..*\.path$")
    for item in os.fsdecode(parent.git.ask(*entries, ok=_NONE).out).split("\0")[:-1]:
        key, _, path = item.partition("\n")
        folder = Path(os.path.normpath(parent.path / path))
        if folder.is_relative_to(parent.path) and folder != parent.path:
            yield key.removeprefix("submodule.").removesuffix(".path"), folder


def _unsafe(git: Git, git_dir: Path) -> str | None:
    """Why no git may work in a repository, where git is wary; None: it may."""
    if not git.wary:
        return None
    if os.path.lexists(git_dir / "commondir"):
        return "the settings of its repository are elsewhere, which could run programs outside of the runner"
    listing = ("config", "--null", "--file", str(git_dir / "config"), "--name-only", "--list")
    answer = git.at(cwd=Path("/"), git_dir=None, work_tree=None).ask(*listing, ok=_NONE)
    keys = os.fsdecode(answer.out).split("\0")[:-1]
    found = "unreadable" if answer.code else next((key for key in keys if not _HARMLESS.fullmatch(key)), None)
    return None if found is None else f"a setting of its repository could run programs outside of the runner: {found}"


def _names(home: Path, prefix: str) -> Iterator[str]:
    """The repositories below a `modules` folder; names of submodules may hold slashes."""
    if not home.is_dir():
        return
    for folder in sorted(home.iterdir()):
        if (folder / "HEAD").exists():
            yield prefix + folder.name
        elif folder.is_dir():
            yield from _names(folder, f"{prefix}{folder.name}/")


def _secure_one(
    repository: Repository, module: Module, as_set_up: str | None, safe: str, message: str | None
) -> Secured:
    checkout = module.checkout
    head = _head(module)
    assert head is not None, "a submodule without a commit is not looked at"
    if module.unsafe is not None:
        return Secured(path=module.path, head_sha=head, unpushed=True, problem=module.unsafe)
    clear_stale(worktree_locks(checkout.git_dir), holder_is_dead=lambda _lock: True)
    unpushed, committed = False, False
    try:
        tree = write_working_tree(checkout, known=head).tree if checkout.path.is_dir() else None
        if tree is not None and tree not in (tree_of(checkout.git, head), as_set_up):
            if message is None:
                return Secured(
                    path=module.path, head_sha=head, unpushed=True, problem="it has changes without a commit"
                )
            head = commit_tree(checkout.git, tree, parents=(head,), message=message)
            checkout.git.ask("reset", "--quiet", head, timeout_s=LONG_S)
            committed = True
        only_here = _only_here(module)
        unpushed = head in only_here
        if only_here:
            _bring(repository, module, safe, _tips(only_here))
    except GitError as error:
        return Secured(path=module.path, head_sha=head, unpushed=unpushed, committed=committed, problem=error.message)
    return Secured(path=module.path, head_sha=head, unpushed=unpushed, committed=committed)


def _head(module: Module) -> str | None:
    """Where it is; its files may be deleted."""
    return read_ref(_alone(module.checkout.git, module.checkout.git_dir), "HEAD")


def _only_here(module: Module) -> dict[str, tuple[str, ...]]:
    """The commits that no remote has, each with its parents; those of deleted branches and rebases too."""
    known = ("--not", "--remotes", f"--glob={KEPT_REFS}*")
    git = _alone(module.checkout.git, module.checkout.git_dir)
    out = git.ask("rev-list", "--parents", "--all", "--reflog", "HEAD", *known).out.decode()
    lines = [line.split(" ") for line in out.splitlines()]
    return {sha: tuple(parents) for sha, *parents in lines}


def _tips(commits: Mapping[str, tuple[str, ...]]) -> list[str]:
    inner = {parent for parents in commits.values() for parent in parents}
    return [sha for sha in commits if sha not in inner]


def _bring(repository: Repository, module: Module, safe: str, tips: list[str]) -> None:
    """Into the project's repository of the submodule, each tip below a ref that keeps it."""
    source = module.checkout.git_dir
    home = _project_module(repository, module)
    if not home.exists():
        _make(repository, home, like=source)
    # Git transfers what a ref names: each tip gets one, on both sides.
    own = _alone(module.checkout.git, source)
    move_refs(
        own, [RefMove(ref=f"{KEPT_REFS}{safe}/{sha}", new=sha, forced=True) for sha in tips], reason="swarm: kept"
    )
    spec = f"+{KEPT_REFS}{safe}/*:{KEPT_REFS}{safe}/*"
    git = _alone(repository.git, home)
    # The other side must not look for files that may be deleted either.
    other = f"--upload-pack=GIT_WORK_TREE={shlex.quote(str(source))} git-upload-pack"
    git.ask("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", other, str(source), spec, timeout_s=LONG_S)


def _project_module(repository: Repository, module: Module) -> Path:
    """The user's own repository of the submodule; it is in their checkout where they have cloned it by themselves."""
    home = repository.common_dir / MODULES / module.name
    if not home.exists() and repository.top_level is not None:
        cloned = repository.top_level / module.path / ".git"
        if cloned.is_dir() and not cloned.is_symlink():
            return cloned
    return home


def _bring_kept(repository: Repository, name: str, target: Path) -> None:
    home = repository.common_dir / MODULES / name
    if _has_kept(home):
        git = _alone(repository.git, target)
        spec = f"+{KEPT_REFS}*:{KEPT_REFS}*"
        git.ask("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", str(home), spec, timeout_s=LONG_S)


def _has_kept(home: Path) -> bool:
    try:
        packed = (home / "packed-refs").read_text("utf-8", "replace")
    except OSError:
        packed = ""
    return (home / KEPT_REFS).is_dir() or f" {KEPT_REFS}" in packed


def _make(repository: Repository, at: Path, *, like: Path) -> None:
    """A repository as `git submodule update` makes one, still without files; it fills it on its next run."""
    at.parent.mkdir(parents=True, exist_ok=True)
    git = repository.git.at(cwd=at.parent, git_dir=None, work_tree=None)
    git.ask("init", "--quiet", "--bare", f"--object-format={repository.object_format}", str(at))
    git = _alone(git, at)
    url = git.line("config", "--file", str(like / "config"), "remote.origin.url", ok=_NONE)
    if url:
        git.ask("config", "remote.origin.url", url)
        git.ask("config", "remote.origin.fetch", "+refs/heads/*:refs/remotes/origin/*")
    git.ask("config", "core.bare", "false")


def _alone(git: Git, git_dir: Path) -> Git:
    """Git for refs and objects of a submodule, wherever the files may be that its settings name."""
    return git.at(cwd=git_dir, git_dir=git_dir, work_tree=git_dir)


def _pointer(module: Module) -> str | None:
    """The commit that the parent's HEAD names for the submodule."""
    parent = module.parent
    path = module.checkout.path.relative_to(parent.path)
    head = read_ref(parent.git, "HEAD")
    if head is None:
        return None
    entry = parent.git.items("ls-tree", "-z", head, "--", str(path))
    return entry[0].split(" ")[2].partition("\t")[0] if entry and entry[0].startswith("160000 ") else None


def _as_set_up(checkout: Checkout) -> Mapping[str, str]:
    try:
        found = json.loads((checkout.git_dir / _AS_SET_UP).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
