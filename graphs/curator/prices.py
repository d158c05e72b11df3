"""What a specialist costs: what its base costs, for a price table cannot name what has not been trained yet."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace

from graphs.curator.specialization import Specialization
from graphs.inner_agent.ceilings import Price, read_prices
from graphs.inner_agent.context import Context


def priced(run: Specialization, context: Context, model: str) -> Context:
    """The context with a price table of the run's own, in which both players have their price."""
    prices = dict(read_prices(run.context.prices))
    players = {model, context.gameplay_model or model}
    new = {one: prices[run.base] for one in players if one not in prices and run.base in prices}
    if not new:
        return context
    text = "".join(_table(one, price) for one, price in sorted({**prices, **new}.items()))
    # Price tables are read once per path: another content has another name.
    path = run.folder.path / "prices" / f"{hashlib.sha256(text.encode()).hexdigest()[:12]}.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return replace(context, prices=str(path))


def _table(model: str, price: Price) -> str:
    """A price as TOML; JSON's strings are TOML's."""
    values = "".join(f"{name} = {value}\n" for name, value in asdict(price).items() if value is not None)
    return f"[{json.dumps(model, ensure_ascii=False)}]\n{values}\n"
