"""Any Gymnasium environment with text observations, as a world with named actions."""

from collections.abc import Callable, Mapping
from typing import Any

import gymnasium
import numpy as np

from worlds.world import Actions, Frame, Observation, Turn, World

Observe = Callable[[Any, Mapping[str, Any]], Observation]
Progress = Callable[[Mapping[str, Any]], float]


def observe_text(observation: Any, info: Mapping[str, Any]) -> Observation:
    """The words of an environment that gives a text, or a dict with `long` and perhaps `short`."""
    if isinstance(observation, str):
        return Observation(long=observation, short="")
    return Observation(long=str(observation["long"]), short=str(observation.get("short", "")))


def progress_reported(info: Mapping[str, Any]) -> float:
    """The environment's own `info["progression"]`. ValueError if it reports none: then say how to compute it."""
    if "progression" not in info:
        raise ValueError("the environment's info has no 'progression'; pass GymnasiumWorld a `progress` function")
    return float(info["progression"])


class GymnasiumWorld(World):
    """An environment as a `World`. It must be a function of seed and actions alone, which nothing here can check.

    A distribution registers it with a factory of (task, max_steps), named by its WorldEntry:

        def lake(task: str, max_steps: int) -> World:
            moves = {"Left": 0, "Down": 1, "Right": 2, "Up": 3}
            return GymnasiumWorld(
                gymnasium.make("MyTextLake-v0"), name="lake", task=task, max_steps=max_steps,
                actions=Actions(dict.fromkeys(moves, ""), default="Left"), send=moves,
            )
    """

    def __init__(
        self,
        env: gymnasium.Env[Any, Any],
        *,
        name: str,
        task: str,
        max_steps: int,
        actions: Actions,
        send: Mapping[str, Any] | None = None,
        observe: Observe = observe_text,
        progress: Progress = progress_reported,
    ) -> None:
        """`send` maps an action's name to what the environment takes; without it names are sent as they are."""
        missing = [action for action in actions if send is not None and action not in send]
        if missing:
            raise ValueError(f"World {name!r}: `send` lacks the actions {', '.join(missing)}.")
        self.name, self.tasks, self.actions = name, (task,), actions
        super().__init__(task, max_steps)
        self._env, self._send, self._observe, self._progress = env, send, observe, progress

    def _reset(self, seed: int) -> Turn:
        observation, info = self._env.reset(seed=seed)
        return self._turn(observation, 0.0, info, False, False)

    def _step(self, action: str) -> Turn:
        native = action if self._send is None else self._send[action]
        observation, reward, terminated, truncated, info = self._env.step(native)
        return self._turn(observation, float(reward), info, terminated, truncated)

    def _turn(
        self, observation: Any, reward: float, info: Mapping[str, Any], terminated: bool, truncated: bool
    ) -> Turn:
        return Turn(
            self._observe(observation, info),
            reward,
            self._progress(info),
            statistics=dict(info.get("statistics", {})),
            end_reason=str(info.get("end_reason") or "ended") if terminated else None,
            truncated=truncated,
        )

    def frame(self) -> Frame:
        """What the environment renders: RGB or text; a sentence saying so if it was made without a render mode."""
        picture = self._env.render() if self._env.render_mode else None
        if isinstance(picture, str | np.ndarray):
            return picture
        return f"World {self.name!r} was made without a render mode that gives an array or text."

    def close(self) -> None:
        """Close the environment too."""
        super().close()
        self._env.close()  # type: ignore[no-untyped-call]  # of Gymnasium 1.2
