"""What a client of a started server may ask for: everything it sends is checked here, before a graph runs.

A client speaks to `langgraph dev` over REST or from Studio and is not the owner of the machine. From top to bottom: how
large its numbers and lists may be, which programs and whose code it may start, which files it may name, and what a run
may spend. What the owner allows beyond that is in the environment of the server, the variables named below. Python
and the command line have the rights of who runs them and are not checked here.
"""

from __future__ import annotations

import math
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chat_models.embedded_spec import files_named
from graphs.fields import shown_value
from graphs.served.client_paths import (
    RUN_FILES,
    check_inside,
    check_own_episode,
    check_own_run,
    check_plain,
    reading_folders,
)
from graphs.settings import SettingsError
from graphs.spending import parse_ceilings
from scaffolds.folder import SHIPPED
from traces.plain_json import read_file
from training.recipe import recipe_names
from training.selection import policy_names

Given = dict[str, Any]

# Sizes ---------------------------------------------------------------------------------------------------------------
SEEDS = (0, 2**31 - 1)
INPUT_BOUNDS: Mapping[str, tuple[float, float]] = {
    "steps": (0, 100_000),
    "seed": SEEDS,
    "seeds": SEEDS,
    "holdout_seeds": SEEDS,
    "train_seeds": SEEDS,
    "validation_seeds": SEEDS,
    "final_seeds": SEEDS,
    "concurrency": (1, 64),
    "versions": (1, 50),
    "attempts": (1, 20),
    "continuations": (0, 20),
    "confidence": (0.5, 1),
    "iterations": (1, 50),
    "minimum_examples": (1, 1_000_000),
}
"""Least and most of each number of an input, and of each number of a list in it."""
CONTEXT_BOUNDS: Mapping[str, tuple[float, float]] = {
    "max_steps": (1, 1_000_000),
    "temperature": (0, 2),
    "sampler": (0, 1_000_000),
    "max_tokens": (1, 131_072),
    "sampling": SEEDS,
    "timeout_s": (0.1, 3_600),
    "attempts": (1, 20),
    "patience_s": (0, 3_600),
    "trace_sample": (0, 1),
}
CEILING = (1e-9, 1e12)
MOST_ENTRIES = 1_000
"""Entries of a list or a table, and how many seeds can be drawn."""


def check_sizes(where: str, given: Mapping[str, Any], bounds: Mapping[str, tuple[float, float]]) -> None:
    """SettingsError for a number beyond its bounds, or a list that is too long."""
    for name, value in given.items():
        least, most = CEILING if "ceilings" in name else bounds.get(name, (-math.inf, math.inf))
        if isinstance(value, list | tuple | Mapping):
            if len(value) > MOST_ENTRIES:
                raise SettingsError(f"The {where} {name} has {len(value):,} entries: it can have {MOST_ENTRIES:,}.")
            numbers = list(value.values() if isinstance(value, Mapping) else value)
        else:
            numbers = [value]
            most = MOST_ENTRIES if name in ("train_seeds", "validation_seeds") else most
        for number in numbers:
            if _is_number(number) and not least <= number <= most:
                raise SettingsError(
                    f"The {where} {name} lies between {least:,} and {most:,}, not at {shown_value(number)}."
                )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


# Programs and code ---------------------------------------------------------------------------------------------------
ALLOW = "AUTOMEM_ALLOW"
"""launcher: a client may choose one of the named launchers and set options of trainings; trust: it may have the code of
scaffolds run uncontained; hub: it may name models of a hub, which are downloaded to this server. launcher,trust,hub."""
LAUNCHERS = "AUTOMEM_LAUNCHERS"
"""A TOML file of further launchers, NAME = ["program", "argument", …]."""
ACCELERATE = Path(__file__).resolve().parents[2] / "training" / "accelerate"
TRAIN_OPTIONS = (
    *("--loss", "--cutoff-policy", "--batching", "--recompute", "--device", "--dtype"),
    *("--threads", "--max-steps", "--save-every", "--log-every"),
)
"""Options of training/sft_specialist.py that name no file."""


def check_allowed(given: Mapping[str, Any], context: Mapping[str, Any]) -> None:
    """SettingsError for what starts programs or runs code and is not allowed on this server."""
    allowed = _allowed()
    asks = {"launcher": ("launcher", given), "train_options": ("launcher", given)}
    for name, (right, place) in {**asks, "trust_scaffold_code": ("trust", context)}.items():
        if place.get(name) and right not in allowed:
            raise SettingsError(f"{name} is not allowed on this server: its operator sets {ALLOW}={right} to allow it.")
    for name in ("specialist_server", "specialist_url"):
        if given.get(name):
            raise SettingsError(f"{name} starts a server: leave it out, no client can set it.")
    for word in given.get("train_options") or []:
        if str(word).startswith("-") and str(word).split("=")[0] not in TRAIN_OPTIONS:
            options = ", ".join(TRAIN_OPTIONS)
            raise SettingsError(f"{shown_value(word)} is no training option for a client: give some of {options}.")


def _allowed() -> set[str]:
    return {word.strip() for word in os.environ.get(ALLOW, "").split(",")}


def _check_hub(where: str, name: str) -> None:
    """SettingsError for a model of a hub, where clients may not have this server download any."""
    if "hub" not in _allowed():
        raise SettingsError(
            f"The {where} names {shown_value(name)} of a model hub, to be downloaded to this server: its operator sets "
            f"{ALLOW}=hub to allow it."
        )


def launcher_words(named: object) -> list[str]:
    """The command of the launcher that a client names. SettingsError for one that is not named on this server."""
    launchers = _launchers()
    for name, words in launchers.items():
        if named in (name, [name], words):  # the words themselves: as a thread or a run holds them
            return words
    known = ", ".join(launchers)
    raise SettingsError(f"The launcher is one of those that this server names ({known}), not {shown_value(named)}.")


def _launchers() -> dict[str, list[str]]:
    shipped = {
        file.stem: ["accelerate", "launch", "--config_file", str(file)] for file in sorted(ACCELERATE.glob("*.yaml"))
    }
    own = os.environ.get(LAUNCHERS)
    if not own:
        return shipped
    try:
        return {**shipped, **tomllib.loads(Path(own).read_text(encoding="utf-8"))}
    except (OSError, ValueError) as error:
        raise SettingsError(f"The server's {LAUNCHERS} cannot be read; its operator has to mend it.") from error


# Files ---------------------------------------------------------------------------------------------------------------
MODELS = ("model", "gameplay_model", "reviewer_model", "curator_model", "base")
HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


def check_paths(given: Mapping[str, Any], context: Mapping[str, Any], *, trains: bool = False) -> None:
    """SettingsError for a path outside the folders that are a client's, or one that leads through a link.

    `trains`: the weights of the base are read.
    """
    if given.get("out") is not None:
        check_own_run("input out", given["out"])
    if given.get("episode"):
        check_own_episode("input episode", given["episode"])
    if context.get("runs") is not None:
        check_own_run("context runs", context["runs"], holds_runs=True)
    if context.get("scaffold"):
        _check_scaffold(context["scaffold"])
    for name in ("prices", "others"):
        if context.get(name):
            check_inside(f"context {name}", context[name], reading_folders())
    for name, shipped in (("recipe", recipe_names()), ("policy", policy_names())):
        if given.get(name) and given[name] not in shipped:
            check_inside(f"input {name}", given[name], reading_folders())
    if given.get("weights"):
        _check_weights("input weights", given["weights"])
    elif trains and (base := str(given.get("base") or given.get("model"))).startswith("vllm:"):
        _check_weights("base of the input", base.removeprefix("vllm:"))  # trained on, by the name on its server
    for place, where in ((given, "input"), (context, "context")):
        for name in MODELS:
            if place.get(name):
                _check_model(f"{where} {name}", place[name])


def _check_weights(where: str, weights: object) -> None:
    """SettingsError unless it is "embedded", OWNER/NAME of a hub, or a folder that a client may read."""
    if weights == "embedded":
        return
    if isinstance(weights, str) and HUB_NAME.fullmatch(weights) and not check_plain(where, weights).exists():
        _check_hub(where, weights)
        return
    check_inside(where, weights, reading_folders())


def _check_model(where: str, spec: object) -> None:
    """SettingsError for a model whose specification names files that a client may not read."""
    if not isinstance(spec, str):
        raise SettingsError(f"The {where} is a text such as scripted or vllm:NAME, not {shown_value(spec)}.")
    spec = spec.strip()
    if spec.startswith("embedded"):
        if spec.startswith("embedded:"):
            _check_hub(where, spec)
        for path in files_named(spec):
            check_inside(where, path, reading_folders())
    provider = spec.partition(":")[0]
    if provider.strip().replace("-", "_").lower() == "huggingface":  # as LangChain reads the name
        raise SettingsError(f"The {where}: a client names no model that is loaded from files, as {provider}: does.")


def _check_scaffold(scaffold: object) -> None:
    """A scaffold is named by its folder, or as one of those that are shipped."""
    given = check_plain("context scaffold", scaffold)
    if not given.is_absolute() and not (given / "scaffold.toml").exists():
        for shipped in (SHIPPED, SHIPPED.parent):
            if (shipped / given / "scaffold.toml").is_file():
                check_inside("context scaffold", str(shipped / given), [SHIPPED])
                return
    check_inside("context scaffold", scaffold, reading_folders())


# Spending ------------------------------------------------------------------------------------------------------------
RUN_CEILING = "AUTOMEM_RUN_CEILING"
"""What any run of a client may spend, as `--run-ceiling` has it, several by commas: calls=5000,cost=20."""
PRICES = "AUTOMEM_PRICES"
"""The price table of a server that limits cost: a client cannot bring its own there."""


def lowered(asked: object, where: str) -> dict[str, float]:
    """The ceilings of a run: those asked for, none of them above the server's own."""
    if asked is not None and not isinstance(asked, Mapping):
        raise SettingsError(f'The {where} ceilings are a table such as {{"calls": 100}}, not {shown_value(asked)}.')
    ceilings: dict[str, float] = dict(asked or {})
    for name, most in server_ceilings().items():
        limit = ceilings.get(name, most)
        ceilings[name] = min(limit, most) if _is_number(limit) else limit
    return ceilings


def server_ceilings() -> dict[str, float]:
    """The server's ceilings of a run. SettingsError if its environment cannot be read."""
    try:
        pairs = [part.split("=") for part in os.environ.get(RUN_CEILING, "").split(",") if part.strip()]
        ceilings = parse_ceilings({name.strip(): float(limit) for name, limit in pairs})
    except ValueError as error:
        what = f"The server's {RUN_CEILING} cannot be read ({error})"
        raise SettingsError(f"{what}; its operator writes it like calls=5000,cost=20.") from error
    if "cost" in ceilings and not os.environ.get(PRICES):
        raise SettingsError(
            f"The server's {RUN_CEILING} limits cost: its operator has to name a price table, {PRICES}."
        )
    return ceilings


def server_prices(asked: str | None) -> str | None:
    """The price table of a run. SettingsError if a client brings one where the server's own holds."""
    own = os.environ.get(PRICES)
    if own and asked not in (None, "", own):
        raise SettingsError("This server has a price table of its own: leave prices out.")
    return own or asked


# All of it -----------------------------------------------------------------------------------------------------------
def permitted(graph: str, given: Given, context: Given, *, run: Path | None) -> tuple[Given, Given]:
    """The input and the context that a client's run of a graph is begun with. SettingsError for what it may not have.

    `given`: the input, with what the thread holds already. `run`: the folder of the run; where one was begun there,
    what it was begun with is looked at, too.
    """
    check_sizes("input", given, INPUT_BOUNDS)
    check_sizes("context", context, CONTEXT_BOUNDS)
    check_allowed(given, context)
    check_paths(given, context, trains=graph == "curator")
    given, context = dict(given), dict(context)
    if given.get("launcher"):
        given["launcher"] = launcher_words(given["launcher"])
    was, settings = _begun(run)
    _check_begun(run, was, settings)
    if prices := server_prices(context.get("prices")):
        context["prices"] = prices
    place, where = (context, "context") if graph == "inner_agent" else (given, "input")
    kept = settings if graph == "inner_agent" else was
    ceilings = lowered({**(kept.get("ceilings") or {}), **(place.get("ceilings") or {})}, where)
    if ceilings:
        place["ceilings"] = ceilings
    return given, context


def _begun(run: Path | None) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The input and the context that a run was begun with, as far as its folder keeps them."""
    for file in (run / name for name in RUN_FILES) if run else ():
        if file.is_file():
            kept = read_file(file).get("configuration", {})
            return {**kept.get("search", {}), **kept.get("specialization", {})}, kept.get("settings", {})
    return {}, {}


def _check_begun(run: Path | None, was: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """SettingsError where a client would go on with a run that was begun with more rights than it has."""
    try:
        check_allowed(was, settings)
        if was.get("launcher"):
            launcher_words(was["launcher"])
    except SettingsError as error:
        raise SettingsError(f"The run in {run} was not begun by a client: {error}") from error
