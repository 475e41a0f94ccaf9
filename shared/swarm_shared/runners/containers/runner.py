"""`runner: podman` and `runner: docker`: each command in a separate container, made from your image.

The container sees the image, read-only, and of this machine what `bwrap` would show of the project, of git and of the
agent CLI's state, at the same paths. Its end is proven by the engine (`following`), not by the process tree.

Source: podman-run(1) of podman 4.3, the command line of docker 20.10.
"""

from __future__ import annotations

import itertools
import os
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path

from swarm_shared.domain.errors import ConfigError
from swarm_shared.domain.runners import ContainerOptions, Run
from swarm_shared.runners.containers.engines import ENGINES, Engine
from swarm_shared.runners.containers.follower import ask, identity_of
from swarm_shared.runners.containers.trial import try_out
from swarm_shared.runners.git_places import add_git, remove_links
from swarm_shared.runners.mounts import Mounts, View
from swarm_shared.runners.runner import Command, Grounds, Start
from swarm_shared.runners.variables import ALWAYS, OF_THIS_MACHINE, is_shell_name, only

_PRIVATE = ("/tmp", "/var/tmp", "/run")
# Process 1 is the engine's init, which passes signals on and reaps orphans; the shell makes a missing program the
# command's own exit code 127, so that the engine's codes are about the engine.
_ALWAYS = (
    *("--interactive", "--init", "--pull", "never", "--log-driver", "none", "--read-only"),
    *("--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--security-opt", "label=disable"),
    *("--entrypoint", "/bin/sh"),
)
_START = 'exec "$@"'
# These lead the engine's client to its engine: they keep our values, whatever a task states for its own command.
_OF_THE_CLIENT = (
    *("PATH", "HOME", "TMPDIR", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "DBUS_SESSION_BUS_ADDRESS"),
    *("DOCKER_*", "CONTAINER_*", "CONTAINERS_*", "STORAGE_*", "BUILDAH_*", "PODMAN_*", "LD_*"),
)
# Of these, the values may appear in a command line, which every user of this machine can read.
_NO_SECRETS = ("PATH", "HOME", "TMPDIR", "XDG_*")


class Containers:
    """Runs commands in containers. Make it with `usable`, which tries it out on this machine."""

    def __init__(
        self,
        engine: Engine,
        options: ContainerOptions,
        grounds: Grounds,
        *,
        program: str,
        identity: str,
        user: tuple[str, ...],
        environ: Mapping[str, str],
    ) -> None:
        """Bind to an engine.

        Args:
            program: Its client, an absolute path.
            identity: As the engine identifies itself.
            user: The words that make files belong to the user.
            environ: The swarm's own environment, which the client gets.
        """
        self._engine, self._options, self._grounds = engine, options, grounds
        self._program, self._identity, self._user, self._environ = program, identity, user, environ

    @classmethod
    def usable(cls, name: str, options: ContainerOptions, grounds: Grounds) -> Containers:
        """The runner of that name, tried out: a container of the image has run and written a file.

        Raises:
            ConfigError: The engine is missing or does not answer, the image cannot be run, files would not belong to
                the user, or a limit would be ignored.
        """
        engine = ENGINES[name]
        program = shutil.which(engine.name)
        if program is None:
            raise ConfigError(
                f"runner {name}: the program {engine.name} was not found", hint=f"install {name}, or set runner: local"
            )
        if not options.image:
            raise ConfigError(f"runners.{name}.image is missing", hint="name an image with the project's toolchain")
        for path in options.writable:
            if not os.path.exists(os.path.expanduser(path)):
                raise ConfigError(f"runners.{name}.writable: {path} does not exist", hint="create it, or remove it")
        said = identity_of(engine)
        if said.code != 0 or not said.printed:
            raise ConfigError(f"runner {name} does not answer: {said.text}", hint=f"try: {name} info")
        rootless = ask(engine, engine.rootless).wait().printed == "true"
        words = engine.as_user_rootless if rootless else engine.as_user
        user = tuple(word.format(uid=os.geteuid(), gid=os.getegid()) for word in words)
        runner = cls(
            engine, options, grounds, program=program, identity=said.printed, user=user, environ=dict(os.environ)
        )
        try_out(name, options, runner, grounds)
        return runner

    def start(self, command: Command, env: Mapping[str, str]) -> Start:
        mounts = self._mounts(command)
        holds = mounts.writable_above(self._grounds.home)
        if holds is not None:
            raise ConfigError(
                f"runner {self._engine.name}: {holds} is writable and holds the home directory, so nothing would be "
                "confined",
                hint=f"use a project root below the home directory, or a narrower runners.{self._engine.name}.writable",
            )
        run = Run(runner=self._engine.name, name=f"swarm-{uuid.uuid4().hex}", engine=self._identity)
        own = only(self._environ, _OF_THE_CLIENT)
        words, renamed = self._variables(env, own)
        script = "; ".join([*(f'export {name}="${given}"; unset {given}' for given, name in renamed.items()), _START])
        kept = {name: value for name, value in env.items() if not only({name: value}, _OF_THE_CLIENT)}
        return Start(
            argv=(
                *(self._program, "run", "--name", run.name, *_ALWAYS, *self._user, *self._limits()),
                *mounts.container_words((*map(Path, _PRIVATE), self._grounds.home)),
                *words,
                *("--workdir", os.path.realpath(command.cwd), *self._options.args, self._options.image),
                *("-c", script, "sh", program_inside(command.argv[0], mounts), *command.argv[1:]),
            ),
            env={**kept, **{given: env[name] for given, name in renamed.items()}, **own},
            runner=run.runner,
            run=run,
        )

    def clear_up(self, cwd: Path) -> tuple[str, ...]:
        return () if self._grounds.common_dir is None else remove_links(cwd, self._grounds.common_dir)

    def environment(self, environ: Mapping[str, str], variables: tuple[str, ...] = ()) -> dict[str, str]:
        return only(environ, (*ALWAYS, *variables, *self._options.environment))

    def _limits(self) -> tuple[str, ...]:
        options = self._options
        network = {"on": (), "off": ("--network", "none")}.get(options.network, ("--network", options.network))
        limits = (("--cpus", options.cpus), ("--memory", options.memory), ("--pids-limit", options.pids))
        return (*network, *(word for name, value in limits if value is not None for word in (name, f"{value:.12g}")))

    def _variables(self, env: Mapping[str, str], own: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
        """The options that hand these variables on: by name, so that no value appears in a command line.

        Returns:
            The options, and by the name under which the client gets it each variable to be renamed inside.
        """
        words: list[str] = []
        renamed: dict[str, str] = {}
        free = (name for name in map("SWARM_V{}".format, itertools.count()) if name not in env)
        for name, value in env.items():
            stated = value != self._environ.get(name) or bool(only({name: value}, self._options.environment))
            if name in OF_THIS_MACHINE and not stated:
                continue
            word = name
            if only({name: value}, _OF_THE_CLIENT) and own.get(name) != value:
                # The client has its own value for it.
                if only({name: value}, _NO_SECRETS):
                    word = f"{name}={value}"
                elif is_shell_name(name):
                    word = next(free)
                    renamed[word] = name
                else:
                    raise ConfigError(
                        f"runner {self._engine.name}: variable {name!r} cannot be passed to a container",
                        hint="a name that begins like one of the engine's needs letters, digits and _ only",
                    )
            words += ["--env", word]
        return words, renamed

    def _mounts(self, command: Command) -> Mounts:
        grounds, options, mounts = self._grounds, self._options, Mounts()
        mounts.add(View.EMPTY, grounds.state_dir)
        mounts.add(View.READ, grounds.project_root, *command.readable)
        mounts.add(View.READ, *(grounds.home / path for path in options.home))
        mounts.add(View.WRITE, *(Path(os.path.expanduser(path)) for path in (*command.state, *options.writable)))
        add_git(mounts, command.cwd, grounds.common_dir)
        mounts.add(View.EMPTY, *(Path(f"{grounds.database}{end}") for end in ("", "-wal", "-shm")))
        return mounts


def program_inside(program: str, mounts: Mounts) -> str:
    """A program of the project by its path, every other one by its name: it is the image's."""
    return program if mounts.shows(Path(program)) else os.path.basename(program)
