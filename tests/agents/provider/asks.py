"""What a request asks of the model, whatever API it came by."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

_TASK = re.compile(r"^\s*PLAY task (\S+)\s*$", re.M)
_ROOT = re.compile(r"^Working directory: (.+)$", re.M)
# From the shape of the answer that a prompt asks for.
_VERDICT = '"verdict": "PASS" or "FAIL"'

Schema = Mapping[str, Any]


class Kind(StrEnum):
    """Who a turn of the conversation comes from."""

    USER = "user"
    MODEL = "model"
    RESULT = "result"  # of a tool


@dataclass(frozen=True, slots=True)
class Turn:
    kind: Kind
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request to the model.

    Attributes:
        tools: The JSON schema of each offered tool's arguments; empty for side requests, such as for a title.
        wanted: The JSON schema that the answer must have, where the request demands one.
        prompt: The newest prompt of the suite in the conversation.
        prompts: How many there are; a resumed session has earlier ones, too.
        results: What the tools said since.
    """

    model: str
    turns: tuple[Turn, ...]
    tools: Mapping[str, Schema]
    stream: bool
    wanted: Schema | None = None
    prompt: str = field(init=False)
    prompts: int = field(init=False)
    results: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        prompts = [n for n, turn in enumerate(self.turns) if turn.kind is Kind.USER and _TASK.search(turn.text)]
        newest = prompts[-1] if prompts else len(self.turns)
        object.__setattr__(self, "prompts", len(prompts))
        after = self.turns[newest + 1 :]
        object.__setattr__(self, "prompt", self.turns[newest].text if prompts else "")
        object.__setattr__(self, "results", tuple(turn.text for turn in after if turn.kind is Kind.RESULT))

    @property
    def task(self) -> str | None:
        found = _TASK.search(self.prompt)
        return found[1] if found else None

    @property
    def role(self) -> str:
        return "validator" if _VERDICT in self.prompt else "builder"

    @property
    def root(self) -> str:
        """The folder that the session works in."""
        found = _ROOT.search(self.prompt)
        return found[1].strip() if found else "."


def kind_of(role: str) -> Kind:
    """The kind of a turn by the word that all APIs use for its role, more or less."""
    if role in ("tool", "function"):
        return Kind.RESULT
    return Kind.USER if role == "user" else Kind.MODEL


def flat(content: object) -> str:
    """The text in a piece of content: texts may be bare, in blocks or nested."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(flat(each) for each in content)
    if isinstance(content, dict):
        return flat(content.get("text") or content.get("content") or content.get("output"))
    return ""
