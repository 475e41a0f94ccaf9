"""`runners` in swarm.yaml: the options of each runner."""

from __future__ import annotations

import re
from pathlib import PurePath

from swarm_shared.domain.runners import (
    BwrapOptions,
    ContainerOptions,
    KubernetesOptions,
    RunnerOptions,
    SlurmOptions,
)
from swarm_shared.settings.stated import Stated

CONTAINERS = ("podman", "docker")
RUNNERS = ("local", "bwrap", *CONTAINERS, "kubernetes", "slurm")
_UNITS = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_SIZE = re.compile(rf"(\d+(?:\.\d+)?) ?({'|'.join(_UNITS)})")
_LEAST_MEMORY = 6 * 2**20  # the least that docker accepts
# Words of `args` that would undo what the runner does itself, or the proof that a container is gone.
_OURS = frozenset({
    *("--name", "--rm", "-d", "--detach", "-t", "--tty", "--restart", "--userns", "-u", "--user", "--entrypoint"),
    *("--privileged", "--cap-add", "--pid", "--pod", "--network", "--net", "-m", "--memory", "--cpus", "--pids-limit"),
    *("--env-file", "--replace", "--sig-proxy", "--log-driver", "--pull", "-w", "--workdir"),
})  # fmt: skip
# The same for `sbatch`.
_OURS_OF_SBATCH = frozenset({
    *("-a", "--array", "-J", "--job-name", "--requeue", "-N", "--nodes", "-n", "--ntasks", "--export", "--wrap", "-W"),
    *("-D", "--chdir", "-o", "--output", "-e", "--error", "-i", "--input", "--open-mode", "--parsable", "--wait"),
    *("-H", "--hold", "-p", "--partition", "-A", "--account", "-q", "--qos", "-c", "--cpus-per-task", "--mem", "-t"),
    *("--time", "-G", "--gpus", "-M", "--clusters", "--uid", "--gid", "--export-file", "--get-user-env", "--test-only"),
})  # fmt: skip
_TIME = re.compile(r"(\d+)(m|h|d)")
_MINUTES = {"m": 1, "h": 60, "d": 1440}
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\*?")


def as_runners(raw: object) -> RunnerOptions:
    """The options by runner.

    Raises:
        ConfigError: A key or value that cannot be.
    """
    stated = Stated("runners", raw)
    bwrap = stated.take("bwrap")
    containers = {name: stated.take(name) for name in CONTAINERS}
    kubernetes, slurm = stated.take("kubernetes"), stated.take("slurm")
    stated.refuse_the_rest("bwrap, podman, docker, kubernetes, slurm (local has no options)")
    return RunnerOptions(
        bwrap=BwrapOptions() if bwrap is None else _bwrap(Stated("runners.bwrap", bwrap)),
        kubernetes=KubernetesOptions() if kubernetes is None else _kubernetes(Stated("runners.kubernetes", kubernetes)),
        slurm=SlurmOptions() if slurm is None else _slurm(Stated("runners.slurm", slurm)),
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
        gpus=_count(stated, "gpus", least=0),
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


def _patience(stated: Stated) -> float:
    value = stated.amount("patience_minutes")
    return KubernetesOptions().patience_minutes if value is None else value


def _slurm(stated: Stated) -> SlurmOptions:
    options = SlurmOptions(
        folder=_folder_of_jobs(stated),
        partition=_name(stated, "partition"),
        account=_name(stated, "account"),
        qos=_name(stated, "qos"),
        cpus=_count(stated, "cpus", least=1),
        memory=_memory(stated),
        gpus=_count(stated, "gpus", least=0),
        minutes=_minutes(stated),
        environment=_environment(stated),
        args=_args(stated, _OURS_OF_SBATCH),
    )
    stated.refuse_the_rest("folder, partition, account, qos, cpus, memory, gpus, time, environment, args")
    return options


def _folder_of_jobs(stated: Stated) -> str:
    path = stated.text("folder")
    if path and not path.startswith(("/", "~/")):
        raise stated.wrong("folder", f"{path!r} is not absolute", "an absolute path, or one that begins with ~/")
    if any(letter in path for letter in "%\\"):  # sbatch reads them as patterns
        raise stated.wrong("folder", f"{path!r} contains % or a backslash", "a path without them")
    return path


def _name(stated: Stated, key: str) -> str:
    value = stated.text(key)
    if value and not re.fullmatch(r"[\w.,@+-]+", value):
        raise stated.wrong(key, f"{value!r} is no name", "as Slurm prints it")
    return value


def _count(stated: Stated, key: str, *, least: int) -> int | None:
    value = stated.whole(key)
    if value is not None and value < least:
        raise stated.wrong(key, f"{value!r} is too few", f"at least {least}")
    return value


def _minutes(stated: Stated) -> int | None:
    value = stated.take("time")
    if value is None:
        return None
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if found is None or int(found[1]) < 1:
        raise stated.wrong("time", f"{value!r} is no time", "whole minutes, hours or days: 90m, 2h, 1d")
    return int(found[1]) * _MINUTES[found[2]]


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


def _args(stated: Stated, ours: frozenset[str] = _OURS) -> tuple[str, ...]:
    words = stated.words("args")
    for word in words:
        option = word.partition("=")[0]
        if option in ours:
            raise stated.wrong("args", f"{option} is set by the runner", "leave it out")
    return words


def _network(stated: Stated) -> bool:
    value = stated.take("network")  # YAML reads on and off as true and false
    if value not in (None, True, False, "on", "off") or (isinstance(value, int) and not isinstance(value, bool)):
        raise stated.wrong("network", f"{value!r} is unknown", "on or off")
    return value in (None, True, "on")
