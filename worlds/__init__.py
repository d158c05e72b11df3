"""The games, as Gymnasium environments that speak text."""

from worlds.registry import (
    BrokenWorld,
    MissingEngine,
    UnknownWorld,
    WorldEntry,
    make_policy,
    make_world,
    world_entry,
    world_names,
)
from worlds.world import Actions, EngineFailure, Frame, Observation, Turn, World

__all__ = [
    "Actions",
    "BrokenWorld",
    "EngineFailure",
    "Frame",
    "MissingEngine",
    "Observation",
    "Turn",
    "UnknownWorld",
    "World",
    "WorldEntry",
    "make_policy",
    "make_world",
    "world_entry",
    "world_names",
]
