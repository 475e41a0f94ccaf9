"""`budget` and `prices` in swarm.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from swarm_shared.domain.budget import Budget, Caps, Scope
from swarm_shared.domain.prices import Price
from swarm_shared.settings.stated import Stated


def as_budget(raw: object) -> Budget:
    """The caps per task, run and day.

    Raises:
        ConfigError: A key or value that cannot be.
    """
    stated = Stated("budget", raw)
    caps = {scope: _caps(f"budget.{scope}", stated.take(scope)) for scope in Scope}
    budget = Budget(task=caps[Scope.TASK], run=caps[Scope.RUN], day=caps[Scope.DAY], hard=stated.flag("hard"))
    stated.refuse_the_rest("task, run, day, hard")
    return budget


def as_prices(raw: object) -> Mapping[str, Price]:
    """Prices by model.

    Raises:
        ConfigError: A key or value that cannot be.
    """
    stated = Stated("prices", raw)
    models = [str(model) for model in raw] if isinstance(raw, Mapping) else []
    return MappingProxyType({model: _price(Stated(f"prices.{model}", stated.take(model))) for model in models})


def _caps(where: str, raw: object) -> Caps:
    if raw is None:
        return Caps()
    stated = Stated(where, raw)
    caps = Caps(usd=stated.amount("usd"), tokens=stated.amount("tokens"), minutes=stated.amount("minutes"))
    stated.refuse_the_rest("usd, tokens, minutes")
    return caps


def _price(stated: Stated) -> Price:
    parts: dict[str, float] = {}
    for key in ("input", "output", "cached"):
        value = stated.amount(key)
        if value is None and key != "cached":
            raise stated.wrong(key, "is missing", "US dollars for a million tokens")
        parts[key] = parts["input"] if value is None else value  # no discount is known
    stated.refuse_the_rest("input, cached, output")
    return Price(**parts)
