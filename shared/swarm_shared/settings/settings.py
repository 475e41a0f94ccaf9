"""All settings, each with its default, and where its value comes from.

Precedence: flag, then environment, then `swarm.yaml` next to the database (same names, lower case), then the default.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from swarm_shared.domain.branch_names import INTEGRATION_BRANCH
from swarm_shared.domain.budget import Budget
from swarm_shared.domain.errors import ConfigError
from swarm_shared.domain.models import Role
from swarm_shared.domain.prices import Price
from swarm_shared.domain.routes import Route, Routing
from swarm_shared.domain.runners import RunnerOptions
from swarm_shared.settings.budget_settings import as_budget, as_prices
from swarm_shared.settings.csv_settings import as_csv_columns
from swarm_shared.settings.notify_settings import NotifyTarget, QuietHours, as_notify_targets, as_quiet_hours
from swarm_shared.settings.route_settings import as_routes
from swarm_shared.settings.runner_settings import RUNNERS, as_runners
from swarm_shared.settings.setup_steps import SetupStep, as_setup_steps

MAX_WORKERS = 256
LEASE_HEARTBEATS = 4
_YES, _NO = frozenset({"1", "on", "true", "yes"}), frozenset({"0", "off", "false", "no"})


def _setting(default: Any, text: str, *, low: float | None = None, high: float | None = None, **more: Any) -> Any:
    return field(default=default, metadata={"help": text, "low": low, "high": high, **more})


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All settings with checked values. The field's name in capitals after SWARM_ is its environment variable."""

    db: Path = _setting(Path("tasks.db"), "The database: one file holds everything.")
    workers: int = _setting(1, "The number of workers that run at once (service mode: 3).", low=0, high=MAX_WORKERS)
    max_workers: int = _setting(
        MAX_WORKERS, "Under supervisord: the number of workers if SWARM_WORKERS is not set.", low=1, high=MAX_WORKERS
    )
    project_root: Path = _setting(Path("."), "The folder that agents work in.")
    builder_agent: str = _setting("foundation:modular-builder", "The agent of builder sessions.")
    validator_agent: str = _setting("recipes:result-validator", "The agent of validator sessions.")
    agent_cli: str = _setting("amplifier", "The agent CLI: a preset, or one that swarm.yaml defines.")
    validation: bool = _setting(True, "Judge each result in a validator session.")
    max_retries: int = _setting(2, "The number of further attempts after the first one.", low=0, high=1000)
    retry_delay_s: float = _setting(0.0, "Pause before a retry, in seconds.", low=0, high=86_400)
    stop_on_same_problem: bool = _setting(
        False, "Hold a task that fails with the same problem twice, instead of trying it again."
    )
    dashboard: bool = _setting(True, "Serve the dashboard.")
    dashboard_port: int = _setting(8765, "The dashboard's port.", low=0, high=65_535)
    dashboard_host: str = _setting("127.0.0.1", "The dashboard's address.")
    dashboard_auth: str = _setting("token", "token, or none on your own machine.", choices=("token", "none"))
    dashboard_token: str = _setting("", "Your own token; required to serve beyond this machine.", secret=True)
    heartbeat_s: float = _setting(30.0, "Seconds between a worker's heartbeats.", low=0.05, high=3600)
    orphan_timeout_min: float = _setting(
        30.0, "Minutes without any sign of progress after which a session is ended.", low=0.001, high=100_000
    )
    give_up_after_min: float | None = _setting(
        None,
        "Minutes to wait for you (credentials, quota, a pause) before start ends instead (default: wait).",
        low=0.001,
        high=100_000,
    )
    crash_budget: int = _setting(3, "A task is held after this many crashes in a row.", low=1, high=1000)
    crash_backoff_s: float = _setting(
        15.0, "Shortest pause after the second crash, in seconds; doubles with each further one.", low=0, high=1800
    )
    keep_output_days: float | None = _setting(
        None, "Days until the output of completed tasks is trimmed (default: never).", low=0, high=36_500
    )
    builder_timeout_s: float = _setting(3600.0, "Time limit of a builder session, in seconds.", low=0.1, high=10**7)
    validator_timeout_s: float = _setting(1800.0, "Time limit of a validator session, in seconds.", low=0.1, high=10**7)
    check_timeout_s: float = _setting(
        900.0, "Time limit of a check, gate, setup or cleanup command, in seconds.", low=0.1, high=10**7
    )
    output_limit_mb: float = _setting(16.0, "Output kept per session, in MiB.", low=0.01, high=4096)
    graceful_timeout_s: float = _setting(300.0, "Seconds that a graceful stop waits for sessions.", low=0, high=10**6)
    kill_grace_s: float = _setting(2.0, "Seconds between TERM and KILL.", low=0, high=60)
    isolation: str = _setting(
        "auto", "Where agents work: auto, none or worktree.", choices=("auto", "none", "worktree")
    )
    land_into: str = _setting(INTEGRATION_BRANCH, "The branch that finished work lands on (with worktrees).")
    overlap: str = _setting(
        "serialize",
        "How to run tasks whose files overlap: serialize (one after the other) or ignore the overlap.",
        choices=("serialize", "ignore"),
    )
    sync: str = _setting(
        "off",
        "Tick off the item of an imported plan in the commit that lands its task (with worktrees): off or commit.",
        choices=("off", "commit"),
    )
    sync_command: str | None = _setting(
        None,
        "Runs once for each completed task of a plan without a place to tick, such as `bd close {id}`.",
        file_only=True,
    )
    port_base: int = _setting(
        20_000, "Agents of worker N get the 20 ports from this + 20 N on (SWARM_PORT).", low=1024, high=60_000
    )
    contain: bool = _setting(False, "Run each agent in its own pid namespace (Linux).")
    runner: str = _setting("local", f"Where agents run: {', '.join(RUNNERS)}.", choices=RUNNERS)
    check_runner: str = _setting(
        "", "The same for checks, gate, setup and cleanup commands (default: as runner).", choices=("", *RUNNERS)
    )
    runners: RunnerOptions = field(
        default=RunnerOptions(),
        metadata={
            "help": "The options of each runner.", "file_only": True, "low": None, "high": None, "reader": as_runners,
        },
    )  # fmt: skip
    min_free_mb: float = _setting(200.0, "Start no tasks below this much free disk, in MiB.", low=0, high=10**9)
    checks: tuple[str, ...] = _setting((), "Commands run after every builder session.", file_only=True)
    gate: tuple[str, ...] = _setting((), "Commands run on every merged result before it lands.", file_only=True)
    gate_batch: int = _setting(
        1, "Tasks whose work one run of the gate may test together.", low=1, high=100, file_only=True
    )
    setup: tuple[SetupStep, ...] = _setting((), "Commands run once in every new worktree.", file_only=True)
    cleanup: tuple[str, ...] = _setting((), "Commands run before a worktree is removed or reused.", file_only=True)
    worktree_pool: int | None = _setting(
        None, "Cleaned worktrees kept for the next tasks (default: one per worker); 0: none.", low=0, high=1000
    )
    keep_worktrees: str = _setting(
        "unlanded",
        "Worktrees to keep after their work has landed: unlanded (none) or all.",
        choices=("unlanded", "all"),
    )
    strict_files: bool = _setting(False, "Changes outside a task's files are a failure.", file_only=True)
    notify: tuple[NotifyTarget, ...] = _setting((), "The targets of notifications, and their events.", file_only=True)
    quiet: QuietHours | None = _setting(None, "Hours of the day in which no notification is sent.", file_only=True)
    notify_every_s: float = _setting(
        60.0, "Send at most one notification per target in this many seconds; more are grouped.", low=0, high=86_400
    )
    builder_model: str = _setting("", "The model of builders (of agent CLI `agent_cli`); none: the CLI's own choice.")
    validator_model: str = _setting("", "The same for validators.")
    builder_args: tuple[str, ...] = _setting((), "Further arguments for builders' sessions.", file_only=True)
    validator_args: tuple[str, ...] = _setting((), "The same for validators.", file_only=True)
    routes: Mapping[str, tuple[Route, ...]] = field(
        default_factory=lambda: MappingProxyType({}),
        metadata={
            "help": "By role (builder, validator): agent CLIs, accounts and models in the order of preference.",
            "file_only": True, "low": None, "high": None, "reader": as_routes,
        },
    )  # fmt: skip
    budget: Budget = field(
        default=Budget(),
        metadata={
            "help": "Caps per task, run and day in USD, tokens or minutes.",
            "file_only": True, "low": None, "high": None, "reader": as_budget,
        },
    )  # fmt: skip
    prices: Mapping[str, Price] = field(
        default_factory=lambda: MappingProxyType({}),
        metadata={
            "help": "USD per million tokens by model, for agent CLIs that report no cost.",
            "file_only": True, "low": None, "high": None, "reader": as_prices,
        },
    )  # fmt: skip
    csv_columns: Mapping[str, str] = field(
        default_factory=lambda: MappingProxyType({}),
        metadata={
            "help": "Columns of CSV plans with unusual names, and the task key that each maps to.",
            "file_only": True, "low": None, "high": None, "reader": as_csv_columns,
        },
    )  # fmt: skip
    allow_lower: bool = _setting(
        False, "Use routes of a lower tier than the first while no other is open, instead of waiting.", file_only=True
    )
    route_spacing_s: float = _setting(
        1.0, "Seconds between two starts on a route that recovers from trouble.", low=0, high=600
    )
    agent_clis: Mapping[str, Any] = field(
        default_factory=lambda: MappingProxyType({}),
        metadata={"help": "Your own agent CLIs.", "file_only": True, "low": None, "high": None},
    )
    origins: Mapping[str, str] = field(
        default_factory=lambda: MappingProxyType({}), metadata={"internal": True, "low": None, "high": None}
    )

    @property
    def lease_s(self) -> float:
        """How long a claim holds without a heartbeat."""
        return self.heartbeat_s * LEASE_HEARTBEATS

    @property
    def routing(self) -> Routing:
        """The routes as a worker uses them."""
        builder, validator = self.routes.get(Role.BUILDER, ()), self.routes.get(Role.VALIDATOR, ())
        return Routing(builder=builder, validator=validator, allow_lower=self.allow_lower)

    @property
    def state_dir(self) -> Path:
        """Where a run keeps its socket, logs and worktrees: next to the database, private."""
        return self.db.with_name(self.db.name + ".swarm")

    @property
    def output_limit_bytes(self) -> int:
        return int(self.output_limit_mb * 1024 * 1024)


def described() -> list[Field[Any]]:
    """The settings that users may set, in order."""
    return [f for f in fields(Settings) if not f.metadata.get("internal")]


def default_of(name: str) -> Any:
    """A setting's default."""
    for one in fields(Settings):
        if one.name == name:
            return one.default_factory() if one.default_factory is not MISSING else one.default
    raise KeyError(name)


def variable_of(name: str) -> str:
    """The environment variable of a setting."""
    return "SWARM_" + name.upper()


def resolve(
    flags: Mapping[str, Any],
    environ: Mapping[str, str] | None = None,
    *,
    defaults: Mapping[str, Any] | None = None,
) -> Settings:
    """Put the settings together and check them.

    Args:
        flags: Values given on the command line; None means not given.
        environ: The environment; the process's own unless given.
        defaults: Defaults that differ for the calling program (the service mode starts three workers).

    Raises:
        ConfigError: Values are of the wrong kind or out of range, keys are unknown, or swarm.yaml cannot be read; names
            everything that is wrong.
    """
    environ = os.environ if environ is None else environ
    given = {name: value for name, value in flags.items() if value is not None}
    db = _absolute(given.get("db") or environ.get("SWARM_DB") or default_of("db"))
    path = db.with_name("swarm.yaml")
    from_file = _read_file(path)
    wrong = _unknown_keys(path, from_file)
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for one in described():
        name, variable = one.name, variable_of(one.name)
        if name in given:
            raw, origin = given[name], "flag"
        elif environ.get(variable, "") != "" and not one.metadata.get("file_only"):
            raw, origin = environ[variable], variable
        elif name in from_file:
            raw, origin = from_file[name], "swarm.yaml"
        elif defaults and name in defaults:
            raw, origin = defaults[name], "default"
        else:
            raw, origin = default_of(name), "default"
        try:
            values[name] = _checked(one, raw, origin)
        except ConfigError as error:
            wrong.append(error)
        origins[name] = origin
    if wrong:
        raise _together(wrong)
    values["db"] = db
    # What a file says must not depend on its reader's working directory.
    base = db.parent if origins["project_root"] == "swarm.yaml" else Path()
    values["project_root"] = _absolute(base / values["project_root"].expanduser())
    return Settings(**values, origins=MappingProxyType(origins))


def _together(wrong: Sequence[ConfigError]) -> ConfigError:
    """One error for all: a single one as it is, several as a list with the advice for each."""
    if len(wrong) == 1:
        return wrong[0]
    lines = [f"  {each.message} ({each.hint})" for each in wrong]
    return ConfigError("\n".join((f"error: {len(wrong)} settings are wrong:", *lines)), hint="nothing was started")


def _absolute(path: object) -> Path:
    return Path(os.path.abspath(os.path.expanduser(str(path))))


def _checked(one: Field[Any], raw: Any, origin: str) -> Any:
    default = default_of(one.name)
    setting = f"{one.name} = {raw!r} ({origin})"
    kind = str(one.type)
    try:
        if raw is None and default is None:
            return None
        if (reader := one.metadata.get("reader")) is not None:
            value: Any = raw if raw == default else reader(raw)
        elif kind == "bool":
            value = _as_bool(raw)
        elif kind.startswith("int"):
            value = int(str(raw).strip())
        elif kind.startswith("float"):
            value = float(str(raw).strip())
        elif kind == "tuple[SetupStep, ...]":
            value = as_setup_steps(raw)
        elif kind == "tuple[NotifyTarget, ...]":
            value = as_notify_targets(raw)
        elif kind == "QuietHours | None":
            value = as_quiet_hours(raw)
        elif kind.startswith("tuple"):
            value = _as_commands(raw)
        elif kind.startswith("Mapping"):
            if not isinstance(raw, Mapping):
                raise ValueError("must be a mapping")
            value = MappingProxyType(dict(raw))
        elif kind == "Path":
            value = Path(str(raw))
        elif kind == "str" and not isinstance(raw, str):
            raise ValueError("must be text")  # YAML reads 12 and yes as other types
        else:
            value = str(raw)
    except ValueError as error:
        raise ConfigError(f"{setting} is not {_wanted(kind)}", hint=_advice(one)) from error
    low, high = one.metadata["low"], one.metadata["high"]
    if low is not None and value is not None and not low <= value <= high:
        raise ConfigError(f"{setting} is out of range", hint=f"between {low:g} and {high:g}")
    choices = one.metadata.get("choices")
    if choices and value not in choices:
        raise ConfigError(f"{setting} is unknown", hint="one of: " + ", ".join(choices))
    return value


def _as_bool(raw: Any) -> bool:
    word = str(raw).strip().lower()
    if word in _YES:
        return True
    if word in _NO:
        return False
    raise ValueError(raw)


def _as_commands(raw: Any) -> tuple[str, ...]:
    if isinstance(raw, str):
        return (raw,)
    if isinstance(raw, list | tuple) and all(isinstance(item, str) for item in raw):
        return tuple(raw)
    raise ValueError(raw)


def _wanted(kind: str) -> str:
    words = {
        "str": "text",
        "bool": "on or off",
        "Path": "a path",
        **dict.fromkeys(("int", "int | None"), "a whole number"),
    }
    if kind.startswith("float"):
        return "a number"
    if kind == "tuple[SetupStep, ...]":
        return "a list of commands, or of mappings: {run: COMMAND, inputs: [FILE], keep: [FOLDER]}"
    if kind.startswith("tuple"):
        return "a list of commands"
    return words.get(kind, "usable")


def _advice(one: Field[Any]) -> str:
    return str(one.metadata["help"])


def _read_file(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}", hint="check its permissions and encoding") from error
    import yaml  # only who has a swarm.yaml pays for the parser

    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path} is not valid YAML: {error}".splitlines()[0], hint="correct it") from error
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise ConfigError(f"{path} is not a mapping", hint="lines of the form: max_retries: 1")
    return found


def _unknown_keys(path: Path, found: Mapping[str, Any]) -> list[ConfigError]:
    known = [one.name for one in described()]
    errors = []
    for key in (key for key in found if key not in known):
        import difflib  # only for a mistake

        near = difflib.get_close_matches(str(key), known, n=1)
        hint = f"did you mean {near[0]}?" if near else "amplifier-swarm config lists them all"
        errors.append(ConfigError(f"{path}: unknown setting {key!r}", hint=hint))
    return errors
