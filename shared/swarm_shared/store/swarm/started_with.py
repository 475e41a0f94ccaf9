"""The settings that the workers were started with, stored for commands that run elsewhere with other settings."""

from __future__ import annotations

import os
import shlex
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import msgspec
from msgspec import Struct

from swarm_shared.settings.settings import Settings, default_of

META_KEY = "started_with"
START = "amplifier-swarm start"
ORIGIN = "the last start"
_NOT_GIVEN = frozenset({"default", "swarm.yaml", ORIGIN})  # the next start finds these without a flag


class StartedWith(Struct, frozen=True, kw_only=True):
    """The settings of the last start that decide where agents work and which ones.

    `isolation` is the setting as given: `auto` is not decided. `given` names the settings that came from a flag or from
    the environment, which the next start would not find without them.
    """

    agent_cli: str
    builder_agent: str
    validator_agent: str
    project_root: str
    isolation: str
    land_into: str
    validation: bool
    given: tuple[str, ...] = ()

    @classmethod
    def of(cls, settings: Settings) -> StartedWith:
        """The settings that a worker or `start` has resolved for itself."""
        names = [name for name in cls.__struct_fields__ if name != "given"]
        values = {name: getattr(settings, name) for name in names}
        given = tuple(name for name in names if settings.origins.get(name) not in _NOT_GIVEN)
        return cls(**{**values, "project_root": str(settings.project_root)}, given=given)

    @classmethod
    def from_json(cls, text: str | None) -> StartedWith | None:
        """As `to_json` wrote it; None if nothing, or nothing of this shape, is stored."""
        if text is None:
            return None
        try:
            return msgspec.json.decode(text, type=cls)
        except msgspec.DecodeError:
            return None

    def to_json(self) -> str:
        return msgspec.json.encode(self).decode()

    def applied_to(self, settings: Settings, *, running: bool) -> Settings:
        """The settings with those of the last start in place of the caller's.

        Args:
            running: Workers run with them now: they count whatever the caller's environment says. Otherwise they
                replace defaults only, because what the caller has set is meant for the next start.
        """
        values: dict[str, object] = {}
        for name in self.__struct_fields__:
            replaces = running or settings.origins.get(name, "default") == "default"
            # Where isolation was not given, the next start decides it again.
            if name == "given" or not replaces or (name == "isolation" and name not in self.given):
                continue
            values[name] = Path(self.project_root) if name == "project_root" else getattr(self, name)
        origins = MappingProxyType({**settings.origins, **dict.fromkeys(values, ORIGIN)})
        return replace(settings, **values, origins=origins)  # type: ignore[arg-type]

    def command(self) -> str:
        """The command that starts the swarm again in the same way, for a shell in the current folder."""
        words = [START]
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if name == "validation":
                words += ["--validation" if value else "--no-validation"] if name in self.given else []
            elif name == "project_root":
                words += [] if value == _folder() else ["--project-root", shlex.quote(value)]
            elif name in self.given:
                words += ["--" + name.replace("_", "-"), shlex.quote(value)]
        return " ".join(words)


def db_words(path: Path) -> str:
    """` --db PATH` for a command in the current folder; empty if commands use this database anyway."""
    folder = _folder()
    usual = None if folder is None else Path(folder, os.environ.get("SWARM_DB") or default_of("db"))
    return "" if path == usual else f" --db {shlex.quote(str(path))}"


def _folder() -> str | None:
    try:
        return os.path.abspath(os.getcwd())
    except OSError:
        return None  # it was deleted
