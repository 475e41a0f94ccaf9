"""Which environment variables a confined command gets: those on a list of names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from swarm_shared.domain.errors import ConfigError

# What programs need to run at all, to show text, to find their way through a proxy, and to sign commits with a name.
ALWAYS = (
    *("HOME", "PATH", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "LC_*", "TZ", "TERM", "NO_COLOR", "SWARM_PORT"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"),
    *("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL", "GIT_OPTIONAL_LOCKS"),
    *("VIRTUAL_ENV", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "CI"),
)
# These name programs and files of this machine, which an image does not have.
OF_THIS_MACHINE = frozenset({
    *("PATH", "SHELL", "VIRTUAL_ENV", "PYTHONPATH"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"),
})  # fmt: skip

_SHELL_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def is_shell_name(name: str) -> bool:
    """Whether a shell can export a variable of that name."""
    return _SHELL_NAME.fullmatch(name) is not None


def refuse_unexportable(env: Iterable[str], runner: str, to: str) -> None:
    """Check the names of variables that a shell will export.

    Raises:
        ConfigError: One that it cannot export.
    """
    for name in env:
        if not is_shell_name(name):
            raise ConfigError(
                f"runner {runner}: variable {name!r} cannot be passed to {to}", hint="use letters, digits and _ only"
            )


def only(environ: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """The variables with these names; a ``*`` at the end of a name matches anything."""
    names = tuple(names)
    whole = frozenset(name for name in names if not name.endswith("*"))
    prefixes = tuple(name[:-1] for name in names if name.endswith("*"))
    return {name: value for name, value in environ.items() if name in whole or name.startswith(prefixes)}
