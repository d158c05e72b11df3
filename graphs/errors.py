"""Our own errors, of every room: bad configuration and unknown names, one clear sentence each, before any cost."""

from __future__ import annotations

from chat_models import ConfigurationError
from graphs.inner_agent.context import SettingsError
from scaffolds import ScaffoldError
from tools import UnknownDialect, VocabularyError
from training.errors import TrainingError
from worlds import BrokenWorld, MissingEngine, UnknownWorld

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
