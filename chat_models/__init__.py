"""Who answers: served models, any provider's models, and the scripted stand-ins; and how they are called.

Nothing heavy is imported until a name is used, so that the command line answers at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from chat_models.factory import chat_model
from chat_models.failures import ConfigurationError, FailureKind, ProviderFailure

if TYPE_CHECKING:
    from chat_models.calling import Completion, Retry, acall, call, check_constrainable

__all__ = [
    "Completion",
    "ConfigurationError",
    "FailureKind",
    "ProviderFailure",
    "Retry",
    "acall",
    "call",
    "chat_model",
    "check_constrainable",
]

_LATER = {
    "Completion": "calling",
    "Retry": "calling",
    "acall": "calling",
    "call": "calling",
    "check_constrainable": "calling",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'chat_models' has no attribute {name!r}")
    return getattr(import_module(f"chat_models.{_LATER[name]}"), name)
