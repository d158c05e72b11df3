from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from worlds import Actions, EngineFailure, Observation
from worlds.gymnasium_world import GymnasiumWorld, progress_reported


class Stairs(gymnasium.Env[str, int]):
    """Climb from a random step to the fifth: an ordinary Gymnasium text environment that knows nothing of ours."""

    metadata = {"render_modes": ["ansi", "rgb_array"]}  # noqa: RUF012 (as Gymnasium's own are)
    observation_space = spaces.Text(100)
    action_space = spaces.Discrete(2)

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode
        self.height = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        super().reset(seed=seed)
        self.height = int(self.np_random.integers(3))
        return f"step {self.height}", {}

    def step(self, action: int) -> tuple[str, float, bool, bool, dict[str, Any]]:
        self.height += 1 if action else -1
        return f"step {self.height}", float(action), self.height == 5, self.height < 0, {"height": self.height}

    def render(self) -> Any:
        return "^" * self.height if self.render_mode == "ansi" else np.zeros((2, 2, 3), np.uint8)


def stairs(render_mode: str | None = None, **more: Any) -> GymnasiumWorld:
    options: dict[str, Any] = {
        "actions": Actions({"Down": "", "Up": "climb"}, default="Up"),
        "send": {"Down": 0, "Up": 1},
        "progress": lambda info: info.get("height", 0) / 5,
    }
    return GymnasiumWorld(Stairs(render_mode), name="stairs", task="climb", max_steps=20, **{**options, **more})


def test_an_ordinary_text_environment_is_played_by_the_names_of_its_actions() -> None:
    world = stairs()
    observation, _ = world.reset(seed=0)
    assert observation["short"] == ""
    start = int(observation["long"].split()[1])
    answers = [world.step("Up") for _ in range(5 - start)]
    assert [answer[4]["progression"] for answer in answers] == [height / 5 for height in range(start + 1, 6)]
    observation, reward, terminated, truncated, info = answers[-1]
    assert (observation["long"], reward, terminated, truncated) == ("step 5", 1.0, True, False)
    assert info["end_reason"] == "ended"


def test_its_own_truncation_stays_one() -> None:
    world = stairs()
    world.reset(seed=0)
    answer = world.step("Down")
    while not answer[3]:
        answer = world.step("Down")
    assert answer[0]["long"] == "step -1"
    assert (answer[2], answer[4]["end_reason"]) == (False, None)


def test_frames_are_what_it_renders() -> None:
    world = stairs("ansi")
    height = int(world.reset(seed=0)[0]["long"].split()[1])
    assert world.frame() == "^" * height
    picture = stairs("rgb_array").frame()
    assert isinstance(picture, np.ndarray)
    assert "without a render mode" in str(stairs().frame())


def test_its_words_can_be_put_into_sections() -> None:
    def observe(observation: str, info: Any) -> Observation:
        return Observation(long="stairs", short=observation)

    observation, _ = stairs(observe=observe).reset(seed=0)
    assert observation["long"] == "stairs"
    assert observation["short"].startswith("step")


def test_a_missing_progression_or_action_is_named() -> None:
    with pytest.raises(EngineFailure, match="pass GymnasiumWorld a `progress` function"):
        stairs(progress=progress_reported).reset(seed=0)
    with pytest.raises(ValueError, match="`send` lacks the actions Up"):
        stairs(send={"Down": 0})
