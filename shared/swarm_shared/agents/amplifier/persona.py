"""Makes an Amplifier session run as an agent, using a small bundle file in our own folder, outside the project."""

from __future__ import annotations

import os
import re
from pathlib import Path

from swarm_shared.agents.amplifier.loaded import agent_file
from swarm_shared.domain.errors import ConfigError
from swarm_shared.domain.models import Role

BASE_BUNDLE = "foundation"
# Namespaces that the base bundle brings with it; any other must be included by its own name.
_IN_BASE_BUNDLE = frozenset({BASE_BUNDLE, "recipes"})
_AGENT = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]*):([A-Za-z0-9][A-Za-z0-9_.-]*)\Z")

_CALLING = {
    Role.BUILDER: (
        "You work alone on one task of a longer list. The prompt is the complete specification: where it leaves "
        "something open, you have design freedom, so decide, continue, and record the decision. Do not "
        "stop to ask for a specification, an interface or a pattern. Do the work yourself instead of delegating it, "
        "and answer in the format that the prompt asks for."
    ),
    Role.VALIDATOR: (
        "You work alone on the validation of one finished task of a longer list. You have tools: use them as the "
        "prompt says. Answer in the format that the prompt asks for; its JSON object replaces a VERDICT line."
    ),
}


def split_agent(agent: str) -> tuple[str, str] | None:
    """Namespace and name of `namespace:agent`; None for the name or address of a bundle.

    Raises:
        ConfigError: It is neither.
    """
    if found := _AGENT.match(agent):
        return found[1], found[2]
    if not agent or agent.startswith("-") or any(sign.isspace() for sign in agent):
        raise ConfigError(
            f"{agent!r} is not an agent name", hint="write namespace:agent, such as foundation:modular-builder"
        )
    if ":" in agent and "://" not in agent:
        raise ConfigError(
            f"{agent!r} is not an agent name",
            hint="write one namespace and one agent, such as recipes:result-validator",
        )
    return None


def agent_bundle(agent: str, role: Role, folder: Path) -> str:
    """The value for `--bundle` that makes the session run as this agent.

    `namespace:agent` becomes a bundle file in the folder, given by its address; anything else is already a bundle.

    Raises:
        ConfigError: The agent's name, or the folder's path, cannot be used.
    """
    parts = split_agent(agent)
    if parts is None:
        return agent
    path = (folder / f"{role.value}-{parts[0]}-{parts[1]}.md").absolute()
    if "#" in str(path):
        raise ConfigError(
            f"{folder}: amplifier cannot read a bundle below a folder with '#' in its name",
            hint="put the database into another folder",
        )
    _write_once(path, persona_text(parts[0], parts[1], role))
    # Amplifier uses the text after file:// unchanged: percent signs would not be decoded.
    return f"file://{path}"


def persona_text(namespace: str, name: str, role: Role) -> str:
    """The bundle's markdown.

    The agent's instructions are included as context, which adds up over bundles. A bundle's body would be replaced
    silently by the body of any bundle that the user has added to all sessions.
    """
    includes = [BASE_BUNDLE] if namespace in _IN_BASE_BUNDLE else [BASE_BUNDLE, namespace]
    file = agent_file(namespace, name)
    lines = [
        "---",
        "bundle:",
        f"  name: swarm-{role.value}-{namespace}-{name}",
        "  version: 1.0.0",
        "includes:",
        *(f"  - bundle: {bundle}" for bundle in includes),
        "context:",
        "  include:",
        f"    - {file}",
        "---",
        "",
        f"You are the agent {namespace}:{name}. Your instructions are the context file {file}.",
        "",
        _CALLING[role],
        "",
    ]
    return "\n".join(lines)


def _write_once(path: Path, text: str) -> None:
    # Sessions of several workers may share the folder: a reader must never see an incomplete file.
    try:
        if path.read_text(encoding="utf-8") == text:
            return
    except FileNotFoundError:
        pass
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.write_text(text, encoding="utf-8")
    new.replace(path)
