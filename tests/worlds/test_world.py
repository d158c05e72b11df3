import pytest

from worlds import Actions, EngineFailure, Observation, Turn, World

ACTIONS = Actions({"Go": "walk on", "Break": "", "go on": "walk further", "GO  ON": "run"}, default="Go")


class Countdown(World):
    """Three steps to the end; `Break` breaks the engine, `GO  ON` meets a limit of the engine's own."""

    name = "countdown"
    tasks = ("three",)
    actions = ACTIONS
    left = 3
    status = ""

    def _reset(self, seed: int) -> Turn:
        self.left = 3
        return self._turn()

    def _step(self, action: str) -> Turn:
        if action == "Break":
            raise IndexError("cell 99")
        self.left -= 1
        return self._turn()._replace(truncated=action == "GO  ON")

    def _turn(self) -> Turn:
        observation = Observation(long=f"{self.left} left", short=self.status)
        return Turn(observation, 1.0, 1 - self.left / 3, {}, None if self.left else "landed")

    def frame(self) -> str:
        return str(self.left)


@pytest.fixture
def world() -> Countdown:
    made = Countdown("three", 10)
    made.reset(seed=0)
    return made


def test_a_world_that_ends_terminates_with_its_reason(world: Countdown) -> None:
    world.step("Go")
    world.step("Go")
    observation, reward, terminated, truncated, info = world.step("Go")
    assert (observation["long"], reward, terminated, truncated) == ("0 left", 1.0, True, False)
    assert info == {"progression": 1.0, "statistics": {}, "end_reason": "landed"}


def test_an_end_at_the_step_limit_is_an_end_and_no_truncation() -> None:
    world = Countdown("three", 3)
    world.reset(seed=0)
    assert [world.step("Go")[2:4] for _ in range(3)][-1] == (True, False)


def test_a_limit_of_the_engines_own_truncates(world: Countdown) -> None:
    assert world.step("GO  ON")[2:4] == (False, True)
    with pytest.raises(RuntimeError, match="reset it first"):
        world.step("Go")


def test_what_breaks_in_the_engine_is_an_engine_failure_that_says_where_and_ends_the_episode(world: Countdown) -> None:
    world.step("Go")
    with pytest.raises(EngineFailure, match=r"'countdown' \(three\) broke in step 2 \(Break\): IndexError"):
        world.step("Break")
    with pytest.raises(RuntimeError, match="reset it first"):
        world.step("Go")
    world.reset(seed=0)
    assert world.step("Go")[0]["long"] == "2 left"


def test_observations_hold_no_control_characters_but_tab_and_line_feed_and_keep_their_columns(world: Countdown) -> None:
    world.status = "\0a\x1b[2J\tb\r\n\x7f\x85é"
    observation = world.step("Go")[0]
    assert observation["short"] == " a [2J\tb \n  é"
    assert observation in world.observation_space
    assert Observation(long="", short="\0") not in world.observation_space


def test_a_world_that_shows_a_clock_says_so_in_every_info() -> None:
    class Clock(Countdown):
        clock = r"\d+ left"

    world = Clock("three", 10)
    assert world.reset(seed=0)[1]["clock"] == world.step("Go")[4]["clock"] == r"\d+ left"
    Clock.clock = "(left"
    with pytest.raises(ValueError, match="'countdown': its clock is no regular expression"):
        Clock("three", 10)


def test_an_unknown_task_a_useless_limit_and_a_negative_seed_are_our_errors(world: Countdown) -> None:
    with pytest.raises(ValueError, match="no task 'four'; it has three"):
        Countdown("four", 10)
    with pytest.raises(ValueError, match="max_steps must be at least 1"):
        Countdown("three", 0)
    with pytest.raises(ValueError, match="at least 0, not -1"):
        world.reset(seed=-1)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("Go", "Go"),
        (" gO\n", "Go"),
        ("break", "Break"),
        ("go on", "go on"),
        ("GO  ON", "GO  ON"),
        ("Go On", None),  # two names are as near
        ("Gone", None),
        ("", None),
    ],
)
def test_an_action_is_found_by_its_exact_name_else_by_the_only_one_that_reads_the_same(
    text: str, meant: str | None
) -> None:
    assert ACTIONS.find(text) == meant


def test_actions_keep_their_order_and_know_their_help() -> None:
    assert list(ACTIONS) == ["Go", "Break", "go on", "GO  ON"]
    assert ACTIONS.help("Go") == "walk on"
    with pytest.raises(KeyError):
        ACTIONS.help("go")
    with pytest.raises(ValueError, match="default action 'Stop' is not one"):
        Actions({"Go": ""}, default="Stop")
