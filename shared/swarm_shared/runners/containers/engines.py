"""The container engines as data: how each is asked, and which of its answers mean what.

Sources: podman-run(1), podman-rm(1), podman-container-exists(1) of podman 4.3; the command line of docker 20.10.
"""

from __future__ import annotations

from msgspec import Struct

# The exit codes of `run` with which an engine may speak for itself; every other one is the command's.
ENGINE_CODES = frozenset({125, 126, 127})
# The statuses in which nothing of a container runs, nor will by itself.
OVER = frozenset({"exited", "stopped", "dead"})


class Engine(Struct, frozen=True, kw_only=True):
    """One engine's command line; the words follow the program's name, and `{name}` is the container's.

    Args:
        name: Of the program, and of the runner.
        identify: Prints which engine answers: that another one has no such container proves nothing.
        remove: Ends a container and removes it.
        remove_fails_on_absent: Whether that may fail because there is no such container.
        exists: Asks whether there is such a container.
        absent_code: The exit code of `exists` which, when nothing is printed, says that there is none.
        inspect: Prints the status and the exit code of a container.
        rootless: Prints `true` where root in a container is the user outside.
        as_user: Makes files belong to the user where that is not so; `{uid}` and `{gid}` are the user's.
        as_user_rootless: The same where it is so.
    """

    name: str
    identify: tuple[str, ...]
    remove: tuple[str, ...]
    remove_fails_on_absent: bool
    exists: tuple[str, ...]
    absent_code: int
    rootless: tuple[str, ...]
    as_user_rootless: tuple[str, ...]
    as_user: tuple[str, ...] = ("--user", "{uid}:{gid}")
    inspect: tuple[str, ...] = ("container", "inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", "{name}")


ENGINES = {
    "podman": Engine(
        name="podman",
        identify=("info", "--format", "{{.Store.GraphRoot}}"),
        remove=("rm", "--force", "--volumes", "--time", "0", "{name}"),
        remove_fails_on_absent=False,
        exists=("container", "exists", "{name}"),
        absent_code=1,
        rootless=("info", "--format", "{{.Host.Security.Rootless}}"),
        as_user_rootless=("--userns", "keep-id"),
    ),
    "docker": Engine(
        name="docker",
        identify=("info", "--format", "{{.ID}}"),
        remove=("rm", "--force", "--volumes", "{name}"),
        remove_fails_on_absent=True,
        exists=("ps", "--all", "--quiet", "--filter", "name=^/?{name}$"),
        absent_code=0,
        rootless=("info", "--format", '{{range .SecurityOptions}}{{if eq . "name=rootless"}}true{{end}}{{end}}'),
        as_user_rootless=(),
    ),
}
