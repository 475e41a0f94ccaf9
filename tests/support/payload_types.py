"""Compares JSON payloads with the interfaces of the dashboard's types.d.ts, kept simple enough to be read here.

An interface has one field a line, of named types, arrays, unions and `Record`s; nothing is declared inside another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_INTERFACE = re.compile(r"^ {2}interface (\w+)(?: extends (\w+))? \{\n(.*?)^ {2}\}", re.MULTILINE | re.DOTALL)
_FIELD = re.compile(r"^ {4}(\w+)(\??): (.+);$", re.MULTILINE)
_PLAIN: dict[str, tuple[type, ...]] = {"string": (str,), "number": (int, float), "boolean": (bool,)}


class PayloadTypes:
    """The interfaces of one file."""

    def __init__(self, path: Path) -> None:
        self._fields: dict[str, dict[str, tuple[bool, str]]] = {}
        for name, parent, body in _INTERFACE.findall(path.read_text(encoding="utf-8")):
            own = {field: (bool(optional), shape) for field, optional, shape in _FIELD.findall(body)}
            self._fields[name] = self._fields.get(parent, {}) | own

    def faults(self, name: str, payload: Any, where: str = "") -> Iterator[str]:
        """Fields that are missing, undeclared, or of another type."""
        where = where or name
        if not isinstance(payload, dict):
            yield f"{where} is no object"
            return
        declared = self._fields[name]
        yield from (f"{where}.{field} is not declared" for field in payload.keys() - declared.keys())
        for field, (optional, shape) in declared.items():
            if field in payload:
                yield from self._wrong(shape, payload[field], f"{where}.{field}")
            elif not optional:
                yield f"{where}.{field} is missing"

    def _wrong(self, shape: str, value: Any, where: str) -> Iterator[str]:
        kinds = shape.split(" | ")
        if "any" in kinds or (value is None and "null" in kinds):
            return
        for kind in kinds:
            if kind.endswith("[]") and isinstance(value, list):
                for element in value:
                    yield from self._wrong(kind[:-2], element, f"{where}[]")
                return
            if kind.startswith("Record<string, ") and isinstance(value, dict):
                for element in value.values():
                    yield from self._wrong(kind[len("Record<string, ") : -1], element, f"{where}.*")
                return
            if kind in self._fields:
                yield from self.faults(kind, value, where)
                return
            if isinstance(value, _PLAIN.get(kind, ())) and (kind == "boolean" or not isinstance(value, bool)):
                return
        yield f"{where} is {value!r}, not {shape}"
