"""Creates commits without a checkout, an index, hooks or signing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from swarm_shared.git.running.runner import Git

_FAILED = 128
_AS_NOBODY = {
    f"GIT_{role}_{part}": value
    for role in ("AUTHOR", "COMMITTER")
    for part, value in (("NAME", "Amplifier Swarm"), ("EMAIL", "swarm@localhost"))
}
_MAX_SUBJECT = 200


def commit_tree(git: Git, tree: str, *, parents: Sequence[str], message: str) -> str:
    """A new commit of a tree, in the user's name where git knows one; no ref points to it yet."""
    arguments = ["commit-tree", tree]
    for parent in parents:
        arguments += ["-p", parent]
    # A message must contain neither NUL nor lone surrogates; a task's name can contain both.
    text = message.replace("\0", "").encode("utf-8", "replace")
    arguments += ["-F", "-"]
    strict = ("user.useConfigOnly=true",)  # else git makes an address up from the machine's name
    answer = git.ask(*arguments, stdin=text, ok=(0, _FAILED), settings=strict)
    if answer.code == _FAILED:
        # Most likely git has no name and e-mail of the user; anything else fails again.
        answer = git.with_environ(_AS_NOBODY).ask(*arguments, stdin=text)
    return answer.out.decode().strip()


def message_with_trailers(subject: str, trailers: Mapping[str, str], body: str = "") -> str:
    """A commit message; every value on one line, so that each trailer is one and none can be forged."""
    parts = [one_line(subject)[:_MAX_SUBJECT] or "Work of the swarm"]
    if body:
        parts.append(body.strip())
    parts.append("\n".join(f"{name}: {one_line(value)}" for name, value in trailers.items()))
    return "\n\n".join(part for part in parts if part) + "\n"


def task_trailers(task_id: str, attempt_id: str) -> Mapping[str, str]:
    """The trailers with the origin of our commits."""
    return {"Swarm-Task": task_id, "Swarm-Attempt": attempt_id}


def one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()
