"""Variables with which one git command controls another; our processes must not inherit them.

A hook, an alias or `rebase --exec` sets them for its children. Started from there, a program that changes to another
folder and runs git would still work on the repository that it was started from.
"""

from __future__ import annotations

from collections.abc import Mapping

# `git rev-parse --local-env-vars`, of all versions, and what hooks, rebases and merges export in addition to those.
_NAMES = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_ATTR_SOURCE",
        "GIT_AUTHOR_DATE",
        "GIT_CHERRY_PICK_HELP",
        "GIT_COMMITTER_DATE",
        "GIT_COMMON_DIR",
        "GIT_CONFIG",
        "GIT_CONFIG_COUNT",
        "GIT_CONFIG_PARAMETERS",
        "GIT_DIFF_OPTS",
        "GIT_DIR",
        "GIT_EXTERNAL_DIFF",
        "GIT_GLOB_PATHSPECS",
        "GIT_GRAFT_FILE",
        "GIT_ICASE_PATHSPECS",
        "GIT_IMPLICIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_INTERNAL_SUPER_PREFIX",
        "GIT_LITERAL_PATHSPECS",
        "GIT_NAMESPACE",
        "GIT_NO_REPLACE_OBJECTS",
        "GIT_NOGLOB_PATHSPECS",
        "GIT_OBJECT_DIRECTORY",
        "GIT_PAGER_IN_USE",
        "GIT_PREFIX",
        "GIT_QUARANTINE_PATH",
        "GIT_REFLOG_ACTION",
        "GIT_REPLACE_REF_BASE",
        "GIT_SHALLOW_FILE",
        "GIT_WORK_TREE",
    }
)
# The pairs that GIT_CONFIG_COUNT counts, and the names that a merge gives its commits.
_PREFIXES = ("GIT_CONFIG_KEY_", "GIT_CONFIG_VALUE_", "GITHEAD_")


def without_git_state(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without what another git command put there.

    Your own settings stay: identity, ssh command, proxies, GIT_CONFIG_GLOBAL, GIT_CEILING_DIRECTORIES.
    """
    return {name: value for name, value in environ.items() if not _is_state(name)}


def _is_state(name: str) -> bool:
    return name in _NAMES or name.startswith(_PREFIXES)
