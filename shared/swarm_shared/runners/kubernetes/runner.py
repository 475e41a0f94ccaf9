"""`runner: kubernetes`: each command in a separate pod, made from your image, on a volume that all nodes share.

A pod and not a job: the cluster may replace the pods of a job, and with that start a command twice.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec.structs import replace

from swarm_shared.domain.errors import ConfigError
from swarm_shared.domain.runners import KubernetesOptions, Run
from swarm_shared.runners.containers.runner import program_inside
from swarm_shared.runners.git_places import add_git, remove_links
from swarm_shared.runners.kubernetes.client import Work
from swarm_shared.runners.kubernetes.cluster import RUNNER, Cluster, namespace_uid
from swarm_shared.runners.kubernetes.manifest import manifest, shared_mount
from swarm_shared.runners.kubernetes.trial import try_out
from swarm_shared.runners.mounts import Mounts, View
from swarm_shared.runners.remote.asking import Silent
from swarm_shared.runners.remote.folder import RunFolder, make_base
from swarm_shared.runners.remote.work import start_of_client
from swarm_shared.runners.runner import Command, Grounds, Start
from swarm_shared.runners.variables import ALWAYS, OF_THIS_MACHINE, only, refuse_unexportable

RUNS = ".swarm-pods"  # the folder of runs, on the shared volume
_PRIVATE = ("/tmp", "/var/tmp", "/run")
# What kubectl needs to find the cluster and to log in there; whatever a task states for its command.
_OF_THE_CLIENT = (
    *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_*", "TZ", "KUBE*", "AWS_*", "GOOGLE_*", "CLOUDSDK_*", "AZURE_*"),
    *("AAD_*", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR"),
)


class Kubernetes:
    """Runs commands in pods. Make it with `usable`, which tries it out."""

    def __init__(
        self, options: KubernetesOptions, grounds: Grounds, *, cluster: Cluster, environ: Mapping[str, str]
    ) -> None:
        """Bind to a cluster.

        Args:
            environ: The swarm's own environment.
        """
        self._options, self._grounds, self._cluster, self._environ = options, grounds, cluster, environ
        self._root = Path(os.path.realpath(options.folder))

    @classmethod
    def usable(cls, options: KubernetesOptions, grounds: Grounds) -> Kubernetes:
        """The runner, tried out: a pod of the image has run and written a file that is seen here.

        Raises:
            ConfigError: kubectl is missing or the cluster does not answer, an option is missing, or the pod could not
                do what sessions need.
        """
        if shutil.which("kubectl") is None:
            raise ConfigError("runner kubernetes: the program kubectl was not found", hint="install kubectl")
        for name in ("image", "claim", "folder", "namespace"):
            if not getattr(options, name):
                raise ConfigError(f"runners.kubernetes.{name} is missing", hint="docs/runners.md shows an example")
        if Path(os.path.realpath(grounds.database)).is_relative_to(os.path.realpath(options.folder)):
            raise ConfigError(
                f"runner kubernetes: the database {grounds.database} is on the shared volume",
                hint="keep it on a disk of this machine, and make its state folder, "
                f"{grounds.database.name}.swarm, a link to a folder on the shared volume",
            )
        hint = "set runners.kubernetes.folder to where the volume of runners.kubernetes.claim is mounted here"
        base = make_base(Path(os.path.realpath(options.folder)) / RUNS, runner=RUNNER, hint=hint, private=True)
        try:
            uid = namespace_uid(options.context, options.namespace)
        except Silent as error:
            raise ConfigError(
                f"runner kubernetes does not answer: {error}",
                hint=f"try: kubectl get namespace {options.namespace}; the account must be allowed to get it",
            ) from error
        cluster = Cluster(context=options.context, namespace=options.namespace, uid=uid, base=str(base))
        runner = cls(options, grounds, cluster=cluster, environ=dict(os.environ))
        for path in options.writable:
            runner._must_be_shared(Path(os.path.expanduser(path)), "runners.kubernetes.writable")
        trial = cls(_light(options), grounds, cluster=cluster, environ=dict(os.environ))
        try_out(trial, base, namespace=options.namespace)
        return runner

    def start(self, command: Command, env: Mapping[str, str]) -> Start:
        name = f"swarm-{uuid.uuid4().hex}"
        run = Run(runner=RUNNER, name=name, engine=msgspec.json.encode(self._cluster).decode())
        folder = RunFolder(Path(self._cluster.base), name)
        mounts = self._mounts(command)
        shown, emptied = mounts.below(self._root, (*map(Path, _PRIVATE), self._grounds.home))
        pod = manifest(
            name,
            self._options,
            folder=folder.path,
            mounts=[
                *(shared_mount(self._root, path, readable_only=view is View.READ) for path, view in shown),
                shared_mount(self._root, folder.path, readable_only=False),
            ],
            emptied=[str(path) for path in emptied],
        )
        work = Work(
            cluster=self._cluster,
            name=name,
            manifest=pod,
            argv=(program_inside(command.argv[0], mounts), *command.argv[1:]),
            env=self._variables(env),
            cwd=os.path.realpath(command.cwd),
            patience_s=self._options.patience_minutes * 60,
        )
        return start_of_client(run, folder, work, own=only(self._environ, _OF_THE_CLIENT), env=env)

    def clear_up(self, cwd: Path) -> tuple[str, ...]:
        return () if self._grounds.common_dir is None else remove_links(cwd, self._grounds.common_dir)

    def environment(self, environ: Mapping[str, str], variables: tuple[str, ...] = ()) -> dict[str, str]:
        return only(environ, (*ALWAYS, *variables, *self._options.environment))

    def _variables(self, env: Mapping[str, str]) -> dict[str, str]:
        refuse_unexportable(env, RUNNER, "a pod")
        stated = only(env, self._options.environment)
        return {
            name: value
            for name, value in env.items()
            if name not in OF_THIS_MACHINE or value != self._environ.get(name) or name in stated
        }

    def _must_be_shared(self, path: Path, what: str) -> Path:
        place = Path(os.path.realpath(path))
        if not place.is_relative_to(self._root):
            raise ConfigError(
                f"{what}: {place} is not on the shared volume, which is {self._root} here",
                hint="runners.kubernetes.folder names it; worktrees are in the state folder (--state-dir)",
            )
        return place

    def _mounts(self, command: Command) -> Mounts:
        grounds, mounts = self._grounds, Mounts()
        self._must_be_shared(command.cwd, "runner kubernetes: the folder to work in")
        mounts.add(View.EMPTY, grounds.state_dir, Path(self._cluster.base))
        mounts.add(View.READ, grounds.project_root, *command.readable)
        writable = (Path(os.path.expanduser(path)) for path in (*command.state, *self._options.writable))
        mounts.add(View.WRITE, *writable)
        if grounds.common_dir is not None:
            self._must_be_shared(grounds.common_dir, "runner kubernetes: the repository")
        add_git(mounts, command.cwd, grounds.common_dir)
        return mounts


def _light(options: KubernetesOptions) -> KubernetesOptions:
    """For a trial, which should not have to wait until other pods have ended."""
    return replace(options, cpus=None, memory=None, gpus=None)
