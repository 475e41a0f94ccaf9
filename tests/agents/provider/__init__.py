"""A model provider that is none: it listens on loopback and plays what a task's description says.

It speaks the four APIs that agent CLIs use (Anthropic Messages, OpenAI Responses, OpenAI Chat Completions, Gemini), so
a real CLI can be driven through whole sessions without an account, a network or a model. See `script.py` for what a
description can ask of the model and `faults.py` for what a provider can do wrong.
"""

from __future__ import annotations

from agents.provider.faults import Fault
from agents.provider.server import Exchange, Provider

__all__ = ["Exchange", "Fault", "Provider"]
