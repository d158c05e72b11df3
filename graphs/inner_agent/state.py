"""What flows through the inner agent's graph: small, plain data that any checkpointer can store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from typing_extensions import TypedDict

from graphs.fields import MODEL, WHO_PLAYS, all_tasks, described
from traces import StepRecord
from worlds import Observation, world_names

Message = dict[str, Any]
"""An OpenAI-style message: role, content, and tool_calls or tool_call_id where the dialect uses them."""


class Conversation(TypedDict):
    """One conversation with one model, as it grows turn by turn."""

    routine: Literal["LOG", "PLAN"]
    role: Literal["memory", "gameplay"]
    """Whose model answers: the memory model, or the gameplay model after a handoff."""
    turns: int
    """Replies it may take."""
    messages: list[Message]
    """From the routine's opening message on; the system message, the same all episode long, is left out."""
    calls: list[dict[str, Any]]
    """Facts of each model call (fields of `traces.ModelCall`), added by the asking node."""
    operations: list[dict[str, Any]]
    """Facts of each operation (fields of `traces.OperationRecord`), added by the node that ran it."""


class Input(TypedDict, total=False):
    """What a run needs: which episode, how far, and who plays. A thread keeps all but `steps` from its first run."""

    world: Annotated[str | None, described("World", "World of a new episode.", default=None, choices=world_names)]
    task: Annotated[
        str | None,
        described("Task", "Task of that world; its default one if empty.", default=None, choices=all_tasks),
    ]
    seed: Annotated[
        int | None,
        described(
            "Seed", "Seed of the episode; the first of the published protocol if empty.", default=None, example=42
        ),
    ]
    steps: Annotated[int, described("Steps", "World steps to play in this run.", default=1)]
    model: Annotated[str, described("Model", WHO_PLAYS, default="scripted", example=MODEL)]
    episode: Annotated[
        str | None,
        described(
            "Episode",
            "An episode's folder, to play that one on; everything else is known from it then.",
            default=None,
            example="runs/threads/THREAD/episodes/WORLD/TASK/seed-42",
        ),
    ]


class Output(TypedDict):
    """What a run gives back."""

    world: str
    task: str
    seed: int
    episode: str
    """The episode's folder: trace, notebook and its journal."""
    step: int
    """The next step to play: 1 + the world steps played so far."""
    observation: Observation
    action: str | None
    """The last action sent to the world; None before the first."""
    reward: float
    episode_return: float
    progression: float
    """In [0, 1]."""
    done: bool
    end_reason: str | None
    status: Literal["playing", "finished", "limited"]
    """"limited": a ceiling ended the run; one with a higher ceiling goes on. A machine's failure ends a run as an error
    instead, with its sentence."""
    reason: str | None
    """Why the episode finished, or which ceiling was reached; None while it goes on."""


class State(Output):
    """Everything between two nodes."""

    steps: int | None
    """World steps still to play in this run; None between runs, for the next to say or leave out."""
    model: str
    """Model specification of the memory model (of the only model, when one plays alone)."""

    revision: int
    """The notebook's revision; `observe` and every node that runs operations set it."""
    notices: list[str]
    """What the scaffold's hooks and the harness say about this observation; set by `observe`."""
    run: str | None
    """Token of the run that is playing (see `run_lock.EpisodeLease`); None when it has ended."""
    unanswered: list[str]
    """Notices on a reply that got no answer, for the next step; set where PLAN ends."""
    conversation: Conversation | None
    """The conversation in progress; opened by `observe`, `remember` and `handoff`."""
    conversations: list[Conversation]
    """The finished conversations of this step, in order; `act` empties it."""
    choice: str | None
    """The action as the model wrote it; set by `plan`, `recall` and `commit`, taken by `act`."""


@dataclass(frozen=True, slots=True)
class Position:
    """How far an episode is: the next step, what the world shows before it, and the action that led there."""

    step: int
    """The next step to play, from 1."""
    observation: Observation
    info: dict[str, Any]
    previous: Observation | None = None
    action: str | None = None
    """The last action, as it was sent."""
    complaints: tuple[str, ...] = ()
    """Notices on the model's last output: no valid action in it, something that could not be read or done."""
    reward: float = 0.0
    episode_return: float = 0.0
    terminated: bool = False
    truncated: bool = False

    @property
    def over(self) -> bool:
        """Whether the episode has ended."""
        return self.terminated or self.truncated

    @property
    def end_reason(self) -> str | None:
        """The world's own word for why the episode ended, "max_steps" at its limit, None while it goes on."""
        if self.truncated:
            return "max_steps"
        reason: str | None = self.info["end_reason"]
        return reason

    def next(self, played: StepRecord, after: Observation) -> Position:
        """The position after a step; `after`: what the world shows then."""
        return Position(
            step=played.step + 1,
            observation=after,
            info=played.info,
            previous=self.observation,
            action=played.action,
            complaints=tuple(played.complaints),
            reward=played.reward,
            episode_return=self.episode_return + played.reward,
            terminated=played.terminated,
            truncated=played.truncated,
        )


def plain(observation: Observation) -> dict[str, str]:
    """The observation as the trace keeps it."""
    return {"long": observation["long"], "short": observation["short"]}
