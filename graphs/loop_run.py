"""One run of an outer loop: its settings, checked before the first token and kept in its folder; begun or resumed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from graphs import settings as inner_agent
from graphs.evaluation.state import Input as EvaluationInput
from graphs.evaluation.state import RunInput
from graphs.evaluation.statistics import Pair, read_scores
from graphs.fields import defaults_of, described, shown_value
from graphs.inner_agent.run_file import FREE, check_place, check_vacant
from graphs.settings import (
    ARMS,
    SettingsError,
    asked_for,
    check_input,
    check_least,
    check_tasks_of,
    check_usable,
    default_scaffold,
    validated,
)
from graphs.spending import parse_ceilings
from scaffolds import Scaffold
from scaffolds.folder import resolve
from traces import RunFolder, TraceDamaged, read_run, write_run
from traces.plain_json import write_file
from traces.summary import mean_and_error
from worlds import world_entry


class LoopInput(RunInput, total=False):
    """What both outer loops are asked for."""

    seed: Annotated[int, described("Seed of the run", "Seed of all that is drawn.", default=0)]


class LoopFolder(RunFolder):
    """The run folder of an outer loop."""

    __slots__ = ()

    def relative(self, path: Path) -> str:
        """A path of the run as its records write it."""
        return path.relative_to(self.path).as_posix()

    def notebook_arms(self) -> list[RunFolder]:
        """The arms with other notebooks that were played beside its final evaluation."""
        return [run for name in ARMS if (run := RunFolder(self.path / "controls" / name)).run.exists()]


@dataclass(kw_only=True, frozen=True)
class LoopContext(inner_agent.Context):
    """How the episodes of an outer loop are played, and the server of its agent."""

    def play(self, **changes: Any) -> inner_agent.Context:
        """The part of it that concerns episodes, with some settings changed."""
        own = {one.name: getattr(self, one.name) for one in dataclasses.fields(inner_agent.Context)}
        return inner_agent.Context(**{**own, **changes})


@dataclass(frozen=True, kw_only=True)
class LoopRun:
    """One run of an outer loop. Each loop adds its settings and the methods that raise NotImplementedError here."""

    kind: ClassVar[str]
    """For sentences: "search", "run of loop 2"."""
    key: ClassVar[str]
    """Where the run's own settings are in its file."""
    free: ClassVar[tuple[str, ...]]
    """Own settings that may change when the run is resumed."""
    free_context: ClassVar[str]
    """The field of the loop's own context that may change, too."""
    apart: ClassVar[tuple[str, ...]] = ("folder", "context", "digest")
    """Fields that are not kept below `key`."""
    vacant_but_for: ClassVar[str] = ""
    """An entry that a run killed at its beginning may leave in its folder."""
    folder_type: ClassVar[type[LoopFolder]]
    context_type: ClassVar[type[LoopContext]]
    input_type: ClassVar[Any]
    published: ClassVar[str]
    """The field of the input whose default is the seeds of the published protocol."""

    folder: Any
    context: Any
    digest: str
    """Of the scaffold."""
    world: str
    model: str
    tasks: list[str]
    approve: bool
    seed: int
    ceilings: dict[str, float]
    concurrency: int

    @classmethod
    def checked(cls, given: Any, context: Any) -> tuple[dict[str, Any], Any]:
        """The fields that `given` asks for and the context, checked without loading anything. Raises our errors."""
        check_input(cls.input_type, given)
        entry = world_entry(given["world"])
        defaults = {**defaults_of(cls.input_type), "tasks": list(entry.tasks), cls.published: list(entry.seeds)}
        settings = asked_for(cls.input_type, given, defaults)
        check_tasks_of(entry, settings["tasks"])
        check_least(settings, seed=0, concurrency=1)
        parse_ceilings(settings["ceilings"])
        return settings, validated(context or cls.context_type())

    @classmethod
    def restored(cls, kept: Mapping[str, Any], path: Path) -> dict[str, Any]:
        """The context, and the fields kept apart, from the file at `path` with the content `kept`.

        Settings of an earlier release that no longer exist are left out.
        """
        known = {one.name for one in dataclasses.fields(cls.context_type)}
        return {"context": cls.context_type(**{name: one for name, one in kept["settings"].items() if name in known})}

    def check(self, scaffold: str) -> Scaffold:
        """Load and build all that the run needs; the scaffold it starts from. Raises our errors."""
        raise NotImplementedError

    def begun_with(self) -> str:
        """The scaffold folder of a run that has begun."""
        return str(self.context.scaffold)

    def prepare(self) -> None:
        """Write what must be in the folder before the settings are."""

    def has_results(self) -> bool:
        """Whether something was played: then the run is resumed."""
        raise NotImplementedError

    def warnings(self) -> list[str]:
        """Settings that are valid, but may not have the effect the user expects: a sentence for each."""
        raise NotImplementedError

    def plain(self) -> dict[str, Any]:
        """As the run's file keeps it."""
        own = {one.name: getattr(self, one.name) for one in dataclasses.fields(self) if one.name not in self.apart}
        return {self.key: own, "settings": dataclasses.asdict(self.context), "scaffold_digest": self.digest}

    def pairs(self, seeds: list[int]) -> list[Pair]:
        """Every task with each of these seeds."""
        return [(task, seed) for task in self.tasks for seed in seeds]

    def evaluation(self, out: RunFolder, seeds: list[int], model: str) -> EvaluationInput:
        """The input of an evaluation; one that has begun is resumed."""
        return EvaluationInput(
            world=self.world,
            tasks=self.tasks,
            seeds=seeds,
            model=model,
            out=str(out.path),
            concurrency=self.concurrency,
            resume=True,
        )

    def figures(self, out: RunFolder, seeds: list[int]) -> dict[str, Any]:
        """Mean and standard error of progression in [0, 1] of an evaluation, failures as 0."""
        scores = read_scores(out, self.pairs(seeds))
        found = mean_and_error(list(scores.values()))
        return {"mean": found["mean"], "standard_error": found["se"], "episodes": len(scores)}

    @classmethod
    def read(cls, out: str | Path) -> Self:
        """The run in a folder. SettingsError if there is none, TraceDamaged where its file is."""
        folder = cls.folder_type(Path(out))
        found = read_run(folder)
        if found is None:
            raise SettingsError(f"{folder.path} holds no {cls.kind}: there is no {folder.run.name} in it.")
        with _readable(folder.run):
            kept = found["configuration"]
            restored = cls.restored(kept, folder.run)
            return cls(folder=folder, digest=kept["scaffold_digest"], **restored, **kept[cls.key])

    @classmethod
    def begin(cls, given: Mapping[str, Any], context: Any) -> Self:
        """The run that `given` asks for, begun or resumed. Raises our errors, and then nothing is written."""
        out = given.get("out")
        if not isinstance(out, str):
            raise SettingsError(f"The input out must name a folder, not {shown_value(out)}.")
        check_usable({"out": out})
        check_place(out)
        folder = cls.folder_type(Path(out))
        found = read_run(folder)
        if found is not None:
            if not given.get("resume"):
                raise SettingsError(f"{folder.path} holds a {cls.kind} already: give `resume` to go on with it.")
            run = cls.read(out)._changed(given, context)
            run.check(run.begun_with())
            if found["configuration"] != run.plain():
                write_file(folder.run, {**found, "configuration": run.plain()})
            return run
        settings, asked = cls.checked(given, context)
        check_vacant(folder.path, cls.kind, unfinished=cls.vacant_but_for)
        scaffold = str(resolve(asked.scaffold or default_scaffold(settings["world"])))
        run = cls(folder=folder, context=replace(asked, scaffold=scaffold), digest="", **settings)
        run = replace(run, digest=run.check(scaffold).digest)
        run.prepare()
        write_run(folder, run.plain())
        return run

    def _changed(self, given: Mapping[str, Any], context: Any) -> Self:
        """The run as it was begun, with the changes that it allows. SettingsError for others.

        A setting that is left out, empty or at its default stays as it was.
        """
        where = {"seed": self.seed, "world": self.world, "model": self.model}
        asked = {name: value for name, value in given.items() if value is not None}
        settings, asked_context = self.checked({**where, **asked}, context)
        changes: dict[str, Any] = {}
        for name in asked:
            was = getattr(self, name, None)
            value = _asked(was, settings.get(name))
            if name in ("out", "resume") or value == was:
                continue
            if name not in self.free:
                raise self._differs(name, was, value)
            changes[name] = value
        return replace(self, context=self._changed_context(asked_context), **changes)

    def _changed_context(self, asked: Any) -> Any:
        changes: dict[str, Any] = {}
        for field in dataclasses.fields(self.context):
            was = getattr(self.context, field.name)
            value = _asked(was, getattr(asked, field.name))
            default = field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
            if value in (default, was):
                continue
            if field.name == "scaffold":  # it may have moved
                if Scaffold.load(str(value), trust_code=asked.trust_scaffold_code).digest != self.digest:
                    raise self._differs("scaffold", was, value)
            elif field.name not in (*FREE, self.free_context):
                raise self._differs(field.name, was, value)
            else:
                changes[field.name] = value
        return replace(self.context, **changes)

    def _differs(self, name: str, was: object, now: object) -> SettingsError:
        what = self.kind.split()[0]
        return SettingsError(
            f"The {what} in {self.folder.path} was begun with {name}={was!r}, not {now!r}: "
            f"give the same to go on with it, or another `out` for another {what}."
        )


def _asked(was: object, now: object) -> object:
    """The new value of a setting; ceilings that are not named again stay."""
    if now in (None, {}, []):
        return was
    return {**was, **now} if isinstance(was, dict) and isinstance(now, dict) else now


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """TraceDamaged where a file of settings was edited or is of another release."""
    try:
        yield
    except (KeyError, TypeError, AttributeError) as error:
        what = f"does not hold what it should ({error})"
        raise TraceDamaged(f"{path} {what}: restore it, or choose another `out`") from error
