"""The world interface: a Gymnasium environment with text observations and named actions."""

import copy
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, NamedTuple, TypeAlias, cast

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from typing_extensions import TypedDict  # pydantic reads graph states with it; before 3.12 it needs this one

Frame: TypeAlias = NDArray[np.uint8] | str
"""What people look at: an RGB array of shape (height, width, 3), or text."""


class ColouredText(str):
    """A text frame with colours for a black background; otherwise an ordinary string."""

    runs: tuple[tuple[tuple[str, str], ...], ...]
    """Of each line, its parts of one colour: (text, "#rrggbb")."""
    cursor: tuple[int, int] | None
    """(row, column) of the cell to look at first, if there is one; it may lie past the end of its line."""

    @classmethod
    def of(cls, runs: tuple[tuple[tuple[str, str], ...], ...], cursor: tuple[int, int] | None = None) -> "ColouredText":
        """The text of these lines."""
        text = cls("\n".join("".join(part for part, _ in line) for line in runs))
        text.runs, text.cursor = runs, cursor
        return text


TEXT_LIMIT = 16_384
"""Characters a section of an observation may have. A NetHack screen with its full inventory stays under a third."""


class Observation(TypedDict):
    """What the world shows after a reset or a step."""

    long: str
    """What lasts: messages, surroundings, map."""
    short: str
    """Status and inventory."""


class EngineFailure(RuntimeError):
    """The engine under a world broke; the episode cannot go on. The cause is chained."""


class CannotBranch(RuntimeError):
    """A world that cannot be copied while it runs: another way to its present is to replay its actions."""


class Turn(NamedTuple):
    """The result of one reset or step of an engine, before the base class counts it."""

    observation: Observation
    reward: float
    progression: float
    """How far the episode has come, in [0, 1]: the figure the benchmarks report."""
    statistics: dict[str, Any]
    """The world's own figures: small and JSON-able. For people and traces, never shown to the model."""
    end_reason: str | None = None
    """Why the world ended the episode (`died`, `solved`, …); None while it goes on."""
    truncated: bool = False
    """Whether the engine stopped it by a limit of its own, other than the world's `max_steps`."""


class Actions:
    """The actions of a world: an ordered set of names, each with one line of help, one of them the default.

    >>> actions = Actions({"Noop": "do nothing", "Do": "use what you face"}, default="Noop")
    >>> "Do" in actions, actions.find(" do "), actions.help("Do")
    (True, 'Do', 'use what you face')
    """

    def __init__(self, helps: Mapping[str, str], default: str) -> None:
        if default not in helps:
            raise ValueError(f"The default action {default!r} is not one of the world's actions.")
        self.names: tuple[str, ...] = tuple(helps)
        self.default = default
        self._helps = dict(helps)
        self._loose: dict[str, str | None] = {}
        for name in self.names:
            key = _loosen(name)
            self._loose[key] = None if key in self._loose else name

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name in self._helps

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def help(self, name: str) -> str:
        """One line on what the action does; empty where its name says it all. KeyError for an unknown name."""
        return self._helps[name]

    def find(self, text: str) -> str | None:
        """The action meant by `text`: its exact name, else the only one equal but for case and white space."""
        return text if text in self._helps else self._loose.get(_loosen(text))


def _loosen(text: str) -> str:
    return " ".join(text.split()).casefold()


class ActionSpace(spaces.Space[str]):
    """Gymnasium's view of a world's actions: its members are the names."""

    def __init__(self, actions: Actions) -> None:
        super().__init__(shape=None, dtype=None)
        self._actions = actions

    def sample(self, mask: Any | None = None, probability: Any | None = None) -> str:
        """A name drawn uniformly. Masks are not supported."""
        if mask is not None or probability is not None:
            raise ValueError("A world's action space samples uniformly: it takes no mask and no probabilities.")
        return self._actions.names[int(self.np_random.integers(len(self._actions)))]

    def contains(self, x: Any) -> bool:
        """Whether `x` is the name of an action."""
        return x in self._actions

    @property
    def is_np_flattenable(self) -> bool:
        """False: a name is not a vector."""
        return False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ActionSpace) and other._actions.names == self._actions.names

    def __repr__(self) -> str:
        return f"ActionSpace({len(self._actions)} names)"


_CONTROLS = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0)), " ")
"""What each control character becomes in an observation; some model providers refuse texts that hold one."""
del _CONTROLS[0x09], _CONTROLS[0x0A]  # tab and line feed


def text_space() -> spaces.Dict:
    """The space of observations: two texts of at most TEXT_LIMIT characters up to U+00FF, none of them a control
    character but tab and line feed."""
    latin = "".join(chr(code) for code in range(256) if code not in _CONTROLS)
    return spaces.Dict(
        {part: spaces.Text(min_length=0, max_length=TEXT_LIMIT, charset=latin) for part in ("long", "short")}
    )


class World(gymnasium.Env[Observation, str], ABC):
    """A game played in text. Same task, seed and actions, same episode, bit for bit, in any process.

    Subclasses set `name`, `actions` and `tasks`, and implement `_reset`, `_step` and `frame`; this class keeps the
    contract: actions are members, steps are counted and limited, nothing is stepped after its end, observations hold no
    control characters, and whatever goes wrong in an engine leaves as EngineFailure.
    """

    name: str
    tasks: tuple[str, ...]
    actions: Actions
    clock: str = ""
    """A regular expression of what in the observations only shows the time, such as a turn counter; empty for none.
    Each step's `info` carries it, so that a reader can see whether anything else has changed."""
    metadata: ClassVar[dict[str, Any]] = {  # type: ignore[misc]  # Gymnasium does not say it is the class's
        "render_modes": ["rgb_array", "ansi"],
        "render_fps": 8,
    }

    def __init__(self, task: str, max_steps: int) -> None:
        if task not in self.tasks:
            raise ValueError(f"World {self.name!r} has no task {task!r}; it has {', '.join(self.tasks)}.")
        if max_steps < 1:
            raise ValueError(f"max_steps must be at least 1, not {max_steps}.")
        try:
            re.compile(self.clock)
        except re.error as error:
            raise ValueError(f"World {self.name!r}: its clock is no regular expression: {error}.") from error
        self.task = task
        self.max_steps = max_steps
        self.steps = 0
        self.action_space = ActionSpace(self.actions)
        self.observation_space = cast(Any, text_space())
        self._running = False

    @abstractmethod
    def _reset(self, seed: int) -> Turn:
        """Start the episode of `seed` from nothing."""

    @abstractmethod
    def _step(self, action: str) -> Turn:
        """Advance by one action, a member of `actions`."""

    def _skip(self, action: str) -> Turn:
        """As `_step`, by a world that saves work when the observation is not read; it may leave it empty."""
        return self._step(action)

    @abstractmethod
    def frame(self) -> Frame:
        """The present state as people see it. Reading it never changes the episode."""

    def tiles(self) -> NDArray[np.uint8] | None:
        """The present state in the engine's own pictures, RGB, for a world whose frame is text; None without any."""
        return None

    def truth(self) -> str | None:
        """The true state, hidden parts included, a fact a line, for a control arm; None where the world gives none."""
        return None

    def branch(self) -> "World":
        """An exact copy of the running episode, random numbers included; both go on independently.

        CannotBranch where the world has no way to copy its engine.
        """
        raise CannotBranch(f"World {self.name!r} cannot be copied while it runs: its actions are replayed instead.")

    def _twin(self) -> "World":
        """This world with the same engine: what `branch` starts from."""
        twin = copy.copy(self)
        twin._np_random = copy.deepcopy(self._np_random)
        return twin

    def _alone(self) -> None:
        """Called once in a process that holds nothing but this world, before its first episode."""

    def _branched(self) -> None:
        """Called in the process of a new branch, just forked: copy what is not memory, such as files."""

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode. Without a seed one is drawn, which follows from the last seed given, if there was one.

        ValueError for a negative seed. Options are accepted for Gymnasium's sake; no world here has any.
        """
        if seed is not None and seed < 0:
            raise ValueError(f"A seed is an integer of at least 0, not {seed}.")
        super().reset(seed=seed)
        self._running = False
        self.steps = 0
        turn = self._guarded("reset", self._reset, int(self.np_random.integers(2**31)) if seed is None else seed)
        self._running = True
        return turn.observation, self._info(turn)

    def step(self, action: str) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Advance by one action: (observation, reward, terminated, truncated, info).

        ValueError if `action` is not a member of `actions`, RuntimeError if no episode is running.
        """
        self._check_running(action)
        turn = self._guarded(f"step {self.steps + 1} ({action})", self._step, action)
        return turn.observation, *self._counted(turn)

    def replay(self, actions: Iterable[str]) -> Iterator[tuple[float, bool, bool, dict[str, Any]]]:
        """Advance by each action, as `step` does, without what only a reader needs: (reward, terminated, truncated,
        info) of each."""
        for action in actions:
            self._check_running(action)
            yield self._counted(self._guarded(f"step {self.steps + 1} ({action})", self._skip, action))

    def _check_running(self, action: str) -> None:
        if not self._running:
            raise RuntimeError(f"No episode of world {self.name!r} is running: reset it first.")
        if action not in self.actions:
            raise ValueError(f"{action!r} is no action of world {self.name!r}.")
        self._running = False  # a step that fails ends the episode

    def _counted(self, turn: Turn) -> tuple[float, bool, bool, dict[str, Any]]:
        self.steps += 1
        terminated = turn.end_reason is not None
        truncated = not terminated and (turn.truncated or self.steps >= self.max_steps)
        self._running = not (terminated or truncated)
        return turn.reward, terminated, truncated, self._info(turn)

    def close(self) -> None:
        """End the episode. Closing twice is harmless."""
        self._running = False

    def render(self) -> Any:
        """Gymnasium's name for `frame`."""
        return self.frame()

    def _guarded(self, doing: str, call: Any, argument: Any) -> Turn:
        try:
            turn: Turn = call(argument)
        except Exception as error:
            shown = error if isinstance(error, EngineFailure) else repr(error)
            raise EngineFailure(f"World {self.name!r} ({self.task}) broke in {doing}: {shown}") from error
        long, short = (turn.observation[part].translate(_CONTROLS) for part in ("long", "short"))
        return turn._replace(observation=Observation(long=long, short=short))

    def _info(self, turn: Turn) -> dict[str, Any]:
        info = {"progression": turn.progression, "statistics": turn.statistics, "end_reason": turn.end_reason}
        return info | {"clock": self.clock} if self.clock else info
