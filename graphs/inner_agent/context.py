"""What can be set for a run of the inner agent, and the settings of one episode made from it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from worlds import world_entry

NotebookMode = Literal["on", "off", "frozen"]
HandoffMode = Literal["auto", "always"]


class SettingsError(ValueError):
    """A setting is missing or contradicts another: our error, raised before the first token is paid for."""


@dataclass(kw_only=True, frozen=True)
class Context:
    """How episodes are played, the same for all of a run. Holds no secrets: API keys come from the environment."""

    scaffold: str | None = field(
        default=None, metadata={"description": "Scaffold folder; scaffolds/WORLD/v0 if empty."}
    )
    dialect: str | None = field(default=None, metadata={"description": "tags or functions; the scaffold's if empty."})
    notebook: NotebookMode = field(
        default="on",
        metadata={"description": "on; off: no notebook, no LOG; frozen: seed files only, nothing recorded."},
    )
    handoff: HandoffMode = field(
        default="auto",
        metadata={
            "description": "auto: hand over when a gameplay model is set; always: also when it is the same model."
        },
    )
    gameplay_model: str | None = field(
        default=None, metadata={"description": "Model that commits the action (two-model mode); `model` if empty."}
    )
    base_url: str | None = field(
        default=None, metadata={"description": "OpenAI-compatible server of `model`, with /v1."}
    )
    gameplay_base_url: str | None = field(
        default=None, metadata={"description": "Server of `gameplay_model`; `base_url` if empty."}
    )
    max_steps: int | None = field(default=None, metadata={"description": "Step limit; the world's own if empty."})
    temperature: float = field(default=1.0, metadata={"description": "Sampling temperature (protocol: 1.0)."})
    max_tokens: int = field(default=4096, metadata={"description": "New tokens per call (protocol: 4,096)."})
    timeout_s: float = field(default=60.0, metadata={"description": "Seconds per model call (protocol: 60)."})
    attempts: int = field(default=5, metadata={"description": "Attempts per model call before the episode fails."})
    trust_scaffold_code: bool = field(
        default=False, metadata={"description": "Run code of scaffolds the repository does not ship, uncontained."}
    )
    ceilings: dict[str, float] = field(
        default_factory=dict,
        metadata={"description": "What an episode may spend: calls, tokens, cost (US dollars), minutes."},
    )
    prices: str | None = field(default=None, metadata={"description": "Price table (TOML), for the ceiling cost."})
    runs: str = field(default="runs/threads", metadata={"description": "Folder that gets one run folder per thread."})


@dataclass(kw_only=True, frozen=True)
class EpisodeSettings(Context):
    """One episode: which world, task and seed, who plays, and how."""

    world: str
    task: str
    seed: int
    model: str
    scaffold: str

    @property
    def two_models(self) -> bool:
        """Whether PLAN is handed over from the memory model to the gameplay model."""
        return self.gameplay_model is not None or self.handoff == "always"


def episode_settings(given: dict[str, Any], context: Context | None) -> EpisodeSettings:
    """Settings of the episode that `given` (fields of `state.Input`) asks for.

    Raises SettingsError or `worlds.UnknownWorld` with what to do.
    """
    world = given.get("world")
    if not world:
        raise SettingsError('Which world? Give one in the input, such as {"world": NAME, "seed": 42, "steps": 3}.')
    entry = world_entry(world)
    task = given.get("task") or entry.tasks[0]
    seed = given.get("seed", entry.seeds[0])
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise SettingsError(f"The seed must be a whole number of at least 0, not {seed!r}.")
    common = {f.name: getattr(context, f.name) for f in fields(Context)} if context else {}
    common["scaffold"] = common.get("scaffold") or default_scaffold(world)
    return EpisodeSettings(**common, world=world, task=task, seed=seed, model=given.get("model") or "scripted")


def default_scaffold(world: str) -> str:
    """The folder of the shipped first scaffold of a world."""
    return str(Path(__file__).resolve().parents[2] / "scaffolds" / world / "v0")
