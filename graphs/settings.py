"""What can be set for a run, checked before the first token is paid for; and our own errors, of every room."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_type_hints

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, create_model

from chat_models import ConfigurationError
from chat_models.sampler import NAMES as SAMPLER_NAMES
from graphs.fields import MODEL, SERVER, SPENDABLE, described, first_fault, shown_value, unusable
from scaffolds import ScaffoldError
from tools import DIALECT_NAMES, UnknownDialect, VocabularyError
from traces.langsmith_texts import KINDS
from traces.rules import Rule, RuleError
from training import TrainingError
from worlds import BrokenWorld, MissingEngine, UnknownWorld, WorldEntry, world_entry

T = TypeVar("T", bound="Context")
NotebookMode = Literal["on", "off", "frozen"]
ArmName = Literal["none", "shuffled", "raw-log", "oracle", "persisted"]
MODES: tuple[NotebookMode, ...] = get_args(NotebookMode)
ARMS: tuple[str, ...] = (*MODES, *(arm for arm in get_args(ArmName) if arm != "none"))
"""All uses of a notebook that are compared, in the order in which they are played: shuffled answers from `on`."""
KEPT_BY_PROGRAM: tuple[ArmName, ...] = ("raw-log", "oracle")
"""Arms whose notebook the model only reads."""
HandoffMode = Literal["auto", "always"]
OverflowMode = Literal["shorten", "fail"]
CEILINGS = ("calls", "tokens", "cost", "minutes")
"""Model calls; prompt and completion tokens; US dollars by the price table; minutes of play."""
MOST_SEEDS = 100_000
"""Seeds of a run: each is an episode in the plan, with a folder of its own."""


class SettingsError(ValueError):
    """A setting is missing or contradicts another: our error, raised before the first token is paid for."""


@dataclass(kw_only=True, frozen=True)
class Context:
    """How episodes are played, the same for all of a run. Holds no secrets: API keys come from the environment."""

    scaffold: Annotated[
        str | None,
        described("Scaffold", "Scaffold folder; scaffolds/WORLD/v0 if empty.", example="scaffolds/WORLD/v0"),
    ] = None
    dialect: Annotated[
        str | None,
        described("Dialect", "How the model writes operations; as the scaffold says if empty.", choices=DIALECT_NAMES),
    ] = None
    notebook: Annotated[
        NotebookMode,
        described("Notebook", "on; off: no notebook, no LOG; frozen: the scaffold's starting files, nothing recorded."),
    ] = "on"
    arm: Annotated[
        ArmName,
        described(
            "Control arm",
            "shuffled: recalls answer from an episode of `others`. persisted: an evaluation's notebooks go on from "
            "seed to seed. raw-log, oracle: the program writes each observation, or the true state; notebook frozen.",
        ),
    ] = "none"
    others: Annotated[
        str | None,
        described(
            "Other episodes", "Finished run of the same tasks and seeds, for the arm shuffled.", example="runs/on"
        ),
    ] = None
    handoff: Annotated[
        HandoffMode,
        described("Handoff", "auto: hand over when a gameplay model is set; always: also when it is the same model."),
    ] = "auto"
    gameplay_model: Annotated[
        str | None,
        described("Gameplay model", "Model that commits the action (two-model mode); `model` if empty.", example=MODEL),
    ] = None
    base_url: Annotated[
        str | list[str] | None,
        described("Base URL", "OpenAI-compatible server of `model`, with /v1; or a list of several.", example=SERVER),
    ] = None
    gameplay_base_url: Annotated[
        str | list[str] | None,
        described(
            "Gameplay base URL",
            "Server of `gameplay_model`, or a list of several; `base_url` if empty.",
            example=SERVER,
        ),
    ] = None
    max_steps: Annotated[
        int | None, described("Step limit", "Steps an episode may take; the world's own if empty.", example=500)
    ] = None
    temperature: Annotated[float, described("Temperature", "Sampling temperature (protocol: 1.0).")] = 1.0
    sampler: Annotated[
        dict[str, float],
        described(
            "Sampler",
            "Which tokens are drawn from, sent with each call; as the server has it if empty.",
            default={},
            example={"top_k": 40, "top_p": 0.95, "min_p": 0.05},
            choices=SAMPLER_NAMES,
        ),
    ] = field(default_factory=dict)
    max_tokens: Annotated[int, described("New tokens", "New tokens per model call (protocol: 4,096).")] = 4096
    sampling: Annotated[
        int, described("Sampling", "Another number samples other replies in the same worlds (control arms).")
    ] = 0
    timeout_s: Annotated[float, described("Timeout", "Seconds per model call (protocol: 60).")] = 60.0
    attempts: Annotated[int, described("Attempts per call", "Attempts per model call before the episode fails.")] = 5
    patience_s: Annotated[
        float,
        described("Patience", "Seconds that a server may take to start, or a provider's limit to reset."),
    ] = 300.0
    overflow: Annotated[
        OverflowMode,
        described(
            "Overflow",
            "What a prompt beyond the model's context does. shorten: the oldest results of the routine are left out; "
            "fail: the episode fails.",
        ),
    ] = "shorten"
    constrained: Annotated[
        bool, described("Constrained replies", "Let models write nothing but text and valid operations (tags only).")
    ] = False
    trust_scaffold_code: Annotated[
        bool,
        described("Trust scaffold code", "Run code of scaffolds the repository does not ship, uncontained."),
    ] = False
    world_options: Annotated[
        dict[str, str],
        described(
            "World options",
            "Options of the world.",
            default={},
            example={"wording": "balrog"},
        ),
    ] = field(default_factory=dict)
    ceilings: Annotated[
        dict[str, float],
        described(
            "Episode ceilings",
            f"What an episode may spend: {SPENDABLE}.",
            default={},
            example={"calls": 500},
            choices=CEILINGS,
        ),
    ] = field(default_factory=dict)
    stop_when: Annotated[
        list[str],
        described(
            "Stop rules",
            "Rules METRIC>NUMBER@STEPS (or <, >=, <=): an episode for which one holds ends as limited.",
            default=[],
            example=["missing_action_rate>0.9@10"],
        ),
    ] = field(default_factory=list)
    alarms: Annotated[
        list[str],
        described(
            "Alarms",
            "Rules as in stop_when: a warning is given once for an episode when one holds.",
            default=[],
            example=["empty_search_rate>0.6@200"],
        ),
    ] = field(default_factory=list)
    prices: Annotated[
        str | None, described("Price table", "Price table (a TOML file), for the ceiling cost.", example="prices.toml")
    ] = None
    trace_sample: Annotated[
        float, described("Traced share", "Share of the steps sent to LangSmith, where tracing is on; 0 to 1.")
    ] = 1.0
    trace_hide: Annotated[
        list[str], described("Hidden from LangSmith", "Kinds of text kept from LangSmith.", default=[], choices=KINDS)
    ] = field(default_factory=list)
    runs: Annotated[str, described("Run folders", "Folder that gets one run folder per thread.")] = "runs/threads"


@dataclass(kw_only=True, frozen=True)
class EpisodeSettings(Context):
    """One episode: which world, task and seed, who plays, and how."""

    world: str
    task: str
    seed: int
    model: str
    scaffold: str


def episode_settings(given: Mapping[str, Any], context: Context | None) -> EpisodeSettings:
    """Settings of the episode that `given` (fields of `state.Input`) asks for, checked.

    Raises SettingsError or `worlds.UnknownWorld` with what to do. What is None or empty counts as left out.
    """
    asked = {name: value for name, value in given.items() if value not in (None, "")}
    world = asked.get("world")
    if world is None:
        raise SettingsError('Which world? Give one in the input, such as {"world": NAME, "seed": 42, "steps": 3}.')
    if not isinstance(world, str):
        raise SettingsError(f"The world is named by a text, not {shown_value(world)}.")
    check_usable({"world": world})
    entry = world_entry(world)
    task = asked.get("task", entry.default_task)
    if not isinstance(task, str):
        raise SettingsError(f"The task is named by a text, not {shown_value(task)}.")
    entry.check_task(task)
    common = {f.name: getattr(context or Context(), f.name) for f in fields(Context)}
    plain: dict[str, Any] = {
        **common,
        "scaffold": common.get("scaffold") or default_scaffold(world),
        "world": world,
        "task": task,
        "seed": asked.get("seed", entry.seeds[0]),
        "model": asked.get("model", "scripted"),
    }
    settings = _checked(EpisodeSettings, plain)
    if settings.seed < 0:
        raise SettingsError(f"The seed must be a whole number of at least 0, not {settings.seed}.")
    return settings


def validated(context: T) -> T:
    """The context, its types checked: over REST and from Python anything may arrive. SettingsError names the fault."""
    return _checked(type(context), {field.name: getattr(context, field.name) for field in fields(context)})


def steps_to_play(steps: object) -> int:
    """The world steps a run is to play; 1 when left out. SettingsError for what is no number of steps."""
    if steps is None:
        return 1
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 0:
        raise SettingsError(f"steps is a whole number of at least 0, not {shown_value(steps)}.")
    return steps


@cache
def _model_of(kind: type[Context]) -> type[BaseModel]:
    """A strict pydantic model with the fields of a settings dataclass."""
    hints = get_type_hints(kind)
    types: dict[str, Any] = {field.name: (hints[field.name], ...) for field in fields(kind)}
    return create_model(kind.__name__, __config__=ConfigDict(strict=True), **types)


def _checked(kind: type[T], plain: dict[str, Any]) -> T:
    try:
        model: type[BaseModel] = _model_of(kind)  # type: ignore[arg-type]  # a class is hashable
        checked = kind(**model.model_validate(plain).model_dump())
    except ValidationError as error:
        raise SettingsError(first_fault(error, "setting")) from error
    check_usable(plain)
    read_rules([*plain["stop_when"], *plain["alarms"]])
    for name in ("max_steps", "max_tokens", "attempts"):
        if plain[name] is not None and plain[name] < 1:
            raise SettingsError(f"The setting {name} must be at least 1, not {plain[name]}.")
    _check_arm(plain)
    if plain["patience_s"] < 0:
        raise SettingsError(f"The setting patience_s must be at least 0, not {plain['patience_s']}.")
    return checked


def read_rules(texts: Sequence[str]) -> list[Rule]:
    """The rules written so. SettingsError for a text that is none."""
    try:
        return [Rule.parse(text) for text in texts]
    except RuleError as error:
        raise SettingsError(str(error)) from error


def _check_arm(plain: Mapping[str, Any]) -> None:
    """SettingsError where the control arm does not go with the other settings."""
    arm, needed = plain["arm"], "frozen" if plain["arm"] in KEPT_BY_PROGRAM else "on"
    if arm != "none" and plain["notebook"] != needed:
        raise SettingsError(f"The arm {arm} is played with the notebook {needed}, not {plain['notebook']}.")
    if (arm == "shuffled") != bool(plain["others"]):
        raise SettingsError(
            "The arm shuffled, and no other, needs `others`: a finished run of the same tasks and seeds."
        )


def check_usable(given: Mapping[str, object]) -> None:
    """SettingsError for a text or a number, of the right type, that nothing can be done with."""
    for name, value in given.items():
        if (wrong := unusable(name, value)) is not None:
            raise SettingsError(wrong)


def default_scaffold(world: str) -> str:
    """The folder of a world's first scaffold: the one its entry names, else scaffolds/WORLD/v0 of this repository."""
    named = world_entry(world).scaffold
    if not named:
        return str(Path(__file__).resolve().parents[1] / "scaffolds" / world / "v0")
    package, _, folder = named.partition(":")
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise SettingsError(f"The world {world!r} names its scaffold {named!r}, but there is no package {package!r}.")
    return str(Path(found.submodule_search_locations[0]) / folder)


def check_input(kind: Any, given: Mapping[str, Any]) -> None:
    """SettingsError if a field that the TypedDict `kind` names has another type; fields it does not name are left.

    One that is None is left out, as a form leaves it.
    """
    known = {name: value for name, value in given.items() if name in kind.__annotations__ and value is not None}
    seeds = {name: value for name, value in known.items() if name.endswith("seeds")}
    for name, value in seeds.items():
        _check_count(name, value)
    try:
        _adapter(kind).validate_python(known, strict=True)
    except ValidationError as error:
        raise SettingsError(first_fault(error, "input")) from error
    for name, value in seeds.items():
        if isinstance(value, list):
            _check_seeds(name, value)
    check_usable(known)


def _check_count(name: str, seeds: object) -> None:
    """SettingsError for more seeds than a run can have: a list of them, or how many to draw."""
    if isinstance(seeds, list | tuple | range):
        too_many = bool(seeds[MOST_SEEDS : MOST_SEEDS + 1])
    else:
        too_many = isinstance(seeds, int | float) and seeds > MOST_SEEDS
    if too_many:
        raise SettingsError(f"The input {name} asks for more than {MOST_SEEDS:,} seeds: give fewer.")


def _check_seeds(name: str, seeds: Sequence[int]) -> None:
    """SettingsError for a list of seeds that holds a negative one, or one twice."""
    if wrong := next((seed for seed in seeds if seed < 0), None):
        raise SettingsError(f"A seed is a whole number of at least 0, not {wrong}.")
    if len(set(seeds)) != len(seeds):
        raise SettingsError(f"The {name} name one twice: {Counter(seeds).most_common(1)[0][0]}.")


def asked_for(kind: Any, given: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """What an outer loop is asked for, by field of the TypedDict `kind`: not where it lies; else the defaults."""
    asked = {name: value for name, value in given.items() if value is not None and name in kind.__annotations__}
    return {name: value for name, value in {**defaults, **asked}.items() if name not in ("out", "resume")}


def check_tasks_of(entry: WorldEntry, tasks: Sequence[str]) -> None:
    """UnknownWorld for a task that the world has not; SettingsError if they name one twice, or none."""
    if unknown := [task for task in tasks if task not in entry.tasks]:
        raise UnknownWorld(f"World {entry.name!r} has no task {unknown[0]!r}; it has {', '.join(entry.tasks)}.")
    if not tasks:
        raise SettingsError("The tasks name none: leave them out for all, or name at least one.")
    if len(set(tasks)) != len(tasks):
        raise SettingsError(f"The tasks name one twice: {Counter(tasks).most_common(1)[0][0]}.")


def check_least(settings: Mapping[str, Any], **least: int) -> None:
    """SettingsError for a number below the least that it may be."""
    for name, limit in least.items():
        if settings[name] < limit:
            raise SettingsError(f"{name} must be at least {limit}, not {settings[name]}.")


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


OUR_ERRORS = (
    SettingsError,
    ConfigurationError,
    ScaffoldError,
    UnknownDialect,
    VocabularyError,
    UnknownWorld,
    MissingEngine,
    BrokenWorld,
    TrainingError,
)
