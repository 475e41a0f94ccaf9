"""`runners` in swarm.yaml: the options of each runner."""

from __future__ import annotations

import re
from pathlib import PurePath

from swarm_shared.domain.runners import BwrapOptions, ContainerOptions, KubernetesOptions, RunnerOptions
from swarm_shared.program.stated import Stated

CONTAINERS = ("podman", "docker")
RUNNERS = ("local", "bwrap", *CONTAINERS, "kubernetes")
_UNITS = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_SIZE = re.compile(rf"(\d+(?:\.\d+)?) ?({'|'.join(_UNITS)})")
_LEAST_MEMORY = 6 * 2**20  # the least that docker accepts
# Words of `args` that would undo what the runner does itself, or the proof that a container is gone.
_OURS = frozenset({
    *("--name", "--rm", "-d", "--detach", "-t", "--tty", "--restart", "--userns", "-u", "--user", "--entrypoint"),
    *("--privileged", "--cap-add", "--pid", "--pod", "--network", "--net", "-m", "--memory", "--cpus", "--pids-limit"),
    *("--env-file", "--replace", "--sig-proxy", "--log-driver", "--pull", "-w", "--workdir"),
})  # fmt: skip
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\*?")


def as_runners(raw: object) -> RunnerOptions:
    """The options by runner.

    Raises:
        ConfigError: A key or value that cannot be.
    """
    stated = Stated("runners", raw)
    bwrap = stated.take("bwrap")
    containers = {name: stated.take(name) for name in CONTAINERS}
    kubernetes = stated.take("kubernetes")
    stated.refuse_the_rest("bwrap, podman, docker, kubernetes (local has no options)")
    return RunnerOptions(
        bwrap=BwrapOptions() if bwrap is None else _bwrap(Stated("runners.bwrap", bwrap)),
        kubernetes=KubernetesOptions() if kubernetes is None else _kubernetes(Stated("runners.kubernetes", kubernetes)),
        **{
            name: _container(Stated(f"runners.{name}", options))
            for name, options in containers.items()
            if options is not None
        },
    )


def _bwrap(stated: Stated) -> BwrapOptions:
    options = BwrapOptions(
        network=_network(stated),
        writable=_writable(stated),
        home=_home(stated),
        environment=_environment(stated),
    )
    stated.refuse_the_rest("network, writable, home, environment")
    return options


def _container(stated: Stated) -> ContainerOptions:
    options = ContainerOptions(
        image=stated.text("image"),
        network=_engine_network(stated),
        cpus=_cpus(stated),
        memory=_memory(stated),
        pids=_pids(stated),
        writable=_writable(stated),
        home=_home(stated),
        environment=_environment(stated),
        args=_args(stated),
    )
    stated.refuse_the_rest("image, network, cpus, memory, pids, writable, home, environment, args")
    return options


def _kubernetes(stated: Stated) -> KubernetesOptions:
    options = KubernetesOptions(
        image=stated.text("image"),
        claim=_kubernetes_name(stated, "claim"),
        folder=_shared_folder(stated),
        namespace=_kubernetes_name(stated, "namespace"),
        context=stated.text("context"),
        cpus=_cpus(stated),
        memory=_memory(stated),
        gpus=_gpus(stated),
        patience_minutes=_patience(stated),
        service_account=_kubernetes_name(stated, "service_account"),
        node_selector=tuple(stated.texts_by_name("node_selector").items()),
        pull_secrets=stated.words("pull_secrets"),
        writable=_writable(stated),
        environment=_environment(stated),
    )
    stated.refuse_the_rest(
        "image, claim, folder, namespace, context, cpus, memory, gpus, patience_minutes, service_account, "
        "node_selector, pull_secrets, writable, environment"
    )
    return options


def _kubernetes_name(stated: Stated, key: str) -> str:
    value = stated.text(key)
    if value and not re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", value):
        raise stated.wrong(key, f"{value!r} is no name", "lower-case letters, digits, - and .")
    return value


def _shared_folder(stated: Stated) -> str:
    path = stated.text("folder")
    if path and (not path.startswith("/") or PurePath(path) == PurePath("/")):
        raise stated.wrong("folder", f"{path!r} is not absolute", "where the shared volume is mounted here: /shared")
    return path


def _gpus(stated: Stated) -> int | None:
    value = stated.whole("gpus")
    if value is not None and value < 0:
        raise stated.wrong("gpus", f"{value!r} is too few", "0, 1, 2 …")
    return value


def _patience(stated: Stated) -> float:
    value = stated.amount("patience_minutes")
    return KubernetesOptions().patience_minutes if value is None else value


def _writable(stated: Stated) -> tuple[str, ...]:
    paths = stated.words("writable")
    for path in paths:
        if path != "~" and not path.startswith(("/", "~/")):
            raise stated.wrong("writable", f"{path!r} is not absolute", "an absolute path, or one that begins with ~/")
        if PurePath(path) in (PurePath("/"), PurePath("~")):
            raise stated.wrong("writable", f"{path!r} would leave nothing confined", "name folders below it")
    return paths


def _home(stated: Stated) -> tuple[str, ...]:
    paths = stated.words("home")
    for path in paths:
        parts = PurePath(path).parts
        if not parts or ".." in parts or path.startswith(("/", "~")):
            raise stated.wrong("home", f"{path!r} is not a path below the home directory", "[.gitconfig, .cargo/bin]")
    return paths


def _environment(stated: Stated) -> tuple[str, ...]:
    names = stated.words("environment")
    for name in names:
        if not _VARIABLE.fullmatch(name):
            raise stated.wrong("environment", f"{name!r} is not the name of a variable", "[JAVA_HOME, NPM_CONFIG_*]")
    return names


def _engine_network(stated: Stated) -> str:
    value = stated.take("network")  # YAML reads on and off as true and false
    if value is None or value is True:
        return "on"
    if value is False:
        return "off"
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9][\w.:=,-]*", value):
        raise stated.wrong("network", f"{value!r} is no network", "on, off, host, or the name of a network")
    return value


def _cpus(stated: Stated) -> float | None:
    value = stated.amount("cpus")
    if value is not None and value < 0.01:
        raise stated.wrong("cpus", f"{value!r} is too little", "at least 0.01")
    return value


def _memory(stated: Stated) -> int | None:
    value = stated.take("memory")
    if value is None:
        return None
    found = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise stated.wrong("memory", f"{value!r} is no size", "a number and KiB, MiB, GiB or TiB: 4GiB")
    size = int(float(found[1]) * _UNITS[found[2]])
    if size < _LEAST_MEMORY:
        raise stated.wrong("memory", f"{value!r} is too little", "at least 6MiB")
    return size


def _pids(stated: Stated) -> int | None:
    value = stated.whole("pids")
    if value is not None and value < 1:
        raise stated.wrong("pids", f"{value!r} is too few", "at least 1; leave it out for the engine's default")
    return value


def _args(stated: Stated) -> tuple[str, ...]:
    words = stated.words("args")
    for word in words:
        option = word.partition("=")[0]
        if option in _OURS:
            raise stated.wrong("args", f"{option} is set by the runner", "[--ulimit, nofile=20000:20000]")
    return words


def _network(stated: Stated) -> bool:
    value = stated.take("network")  # YAML reads on and off as true and false
    if value not in (None, True, False, "on", "off") or (isinstance(value, int) and not isinstance(value, bool)):
        raise stated.wrong("network", f"{value!r} is unknown", "on or off")
    return value in (None, True, "on")
