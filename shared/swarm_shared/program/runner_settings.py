"""`runners` in swarm.yaml: the options of each runner."""

from __future__ import annotations

import re
from pathlib import PurePath

from swarm_shared.domain.runners import BwrapOptions, RunnerOptions
from swarm_shared.program.stated import Stated

RUNNERS = ("local", "bwrap")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\*?")


def as_runners(raw: object) -> RunnerOptions:
    """The options by runner.

    Raises:
        ConfigError: A key or value that cannot be.
    """
    stated = Stated("runners", raw)
    bwrap = stated.take("bwrap")
    stated.refuse_the_rest("bwrap (local has no options)")
    return RunnerOptions(bwrap=BwrapOptions() if bwrap is None else _bwrap(Stated("runners.bwrap", bwrap)))


def _bwrap(stated: Stated) -> BwrapOptions:
    options = BwrapOptions(
        network=_network(stated),
        writable=stated.words("writable"),
        home=stated.words("home"),
        environment=stated.words("environment"),
    )
    stated.refuse_the_rest("network, writable, home, environment")
    for path in options.writable:
        if path != "~" and not path.startswith(("/", "~/")):
            raise stated.wrong("writable", f"{path!r} is not absolute", "an absolute path, or one that begins with ~/")
        if PurePath(path) in (PurePath("/"), PurePath("~")):
            raise stated.wrong("writable", f"{path!r} would leave nothing confined", "name folders below it")
    for path in options.home:
        parts = PurePath(path).parts
        if not parts or ".." in parts or path.startswith(("/", "~")):
            raise stated.wrong("home", f"{path!r} is not a path below the home directory", "[.gitconfig, .cargo/bin]")
    for name in options.environment:
        if not _VARIABLE.fullmatch(name):
            raise stated.wrong("environment", f"{name!r} is not the name of a variable", "[JAVA_HOME, NPM_CONFIG_*]")
    return options


def _network(stated: Stated) -> bool:
    value = stated.take("network")  # YAML reads on and off as true and false
    if value not in (None, True, False, "on", "off") or (isinstance(value, int) and not isinstance(value, bool)):
        raise stated.wrong("network", f"{value!r} is unknown", "on or off")
    return value in (None, True, "on")
