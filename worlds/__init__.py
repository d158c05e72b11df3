"""The games, as Gymnasium environments with text observations."""

from worlds.registry import (
    BadData,
    BrokenWorld,
    MissingEngine,
    UnknownWorld,
    WorldEntry,
    extra_data,
    install_data,
    make_policy,
    make_world,
    world_entry,
    world_names,
)
from worlds.world import Actions, CannotBranch, EngineFailure, Frame, Observation, Turn, World
from worlds.world_process import open_world

__all__ = [
    "Actions",
    "BadData",
    "BrokenWorld",
    "CannotBranch",
    "EngineFailure",
    "Frame",
    "MissingEngine",
    "Observation",
    "Turn",
    "UnknownWorld",
    "World",
    "WorldEntry",
    "extra_data",
    "install_data",
    "make_policy",
    "make_world",
    "open_world",
    "world_entry",
    "world_names",
]
