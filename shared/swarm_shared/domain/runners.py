"""Where sessions and commands run, as configured in swarm.yaml."""

from __future__ import annotations

from msgspec import Struct

# The runners whose commands have all of the user's permissions.
NOT_CONFINING = frozenset({"local", "slurm"})


class BwrapOptions(Struct, frozen=True, kw_only=True):
    """What the runner `bwrap` allows beyond a task's worktree.

    Args:
        network: Whether sessions can reach the network; without it there is only their own loopback.
        writable: Further folders and files that may be written: absolute, or below ``~``.
        home: What of the home directory is visible, read-only: paths below it, such as ``.gitconfig``.
        environment: Further variables that are passed on; a ``*`` at the end matches anything.
    """

    network: bool = True
    writable: tuple[str, ...] = ()
    home: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()


class ContainerOptions(Struct, frozen=True, kw_only=True):
    """What a container of the runners `podman` and `docker` is made of.

    Args:
        image: The image, which must be in the engine's store; empty: not stated.
        network: ``on`` is the engine's default network, ``off`` none; anything else is passed to the engine.
        cpus: Processors; None: not limited.
        memory: Bytes; None: not limited.
        pids: Processes; None: the engine's default.
        writable, home, environment: As for `bwrap`.
        args: Further words for the engine's ``run``.
    """

    image: str = ""
    network: str = "on"
    cpus: float | None = None
    memory: int | None = None
    pids: int | None = None
    writable: tuple[str, ...] = ()
    home: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    args: tuple[str, ...] = ()


class KubernetesOptions(Struct, frozen=True, kw_only=True):
    """What a pod of the runner `kubernetes` is made of.

    Args:
        image: The image; empty: not stated.
        claim: The PersistentVolumeClaim of the shared volume, in the namespace of the pods.
        folder: Where that volume is mounted here; pods see it at the same path.
        namespace: Of the pods.
        context: Of kubeconfig; empty: the current one.
        cpus, memory, gpus: Requested, and the limit; memory in bytes.
        patience_minutes: How long a pod may wait for a node that takes it, before that counts as a failure.
        service_account, node_selector, pull_secrets: Of the pods.
        writable: Further folders on the shared volume.
        environment: As for `bwrap`.
    """

    image: str = ""
    claim: str = ""
    folder: str = ""
    namespace: str = ""
    context: str = ""
    cpus: float | None = None
    memory: int | None = None
    gpus: int | None = None
    patience_minutes: float = 10.0
    service_account: str = ""
    node_selector: tuple[tuple[str, str], ...] = ()
    pull_secrets: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()


class SlurmOptions(Struct, frozen=True, kw_only=True):
    """What a job of the runner `slurm` asks for; what is not stated is left to the cluster.

    Args:
        folder: For the files of jobs, shared with the nodes; empty: in the state folder.
        cpus, gpus: Per job. memory: bytes per job. minutes: Slurm's own time limit.
        environment: As for `bwrap`.
        args: Further words of `sbatch`.
    """

    folder: str = ""
    partition: str = ""
    account: str = ""
    qos: str = ""
    cpus: int | None = None
    memory: int | None = None
    gpus: int | None = None
    minutes: int | None = None
    environment: tuple[str, ...] = ()
    args: tuple[str, ...] = ()


class RunnerOptions(Struct, frozen=True, kw_only=True):
    """The options of every runner that has some."""

    bwrap: BwrapOptions = BwrapOptions()
    podman: ContainerOptions = ContainerOptions()
    docker: ContainerOptions = ContainerOptions()
    kubernetes: KubernetesOptions = KubernetesOptions()
    slurm: SlurmOptions = SlurmOptions()


class Run(Struct, frozen=True, kw_only=True):
    """What a runner started outside our process tree: stored before the start, so that others can follow it.

    Args:
        runner: The runner's name.
        name: The run's name, which is unique.
        engine: Which engine has it, as that engine identifies itself.
    """

    runner: str
    name: str
    engine: str
