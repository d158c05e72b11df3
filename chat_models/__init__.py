"""The models that answer: served ones, those of any provider, and scripted stand-ins; and how they are called."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from chat_models.factory import chat_model
from chat_models.failures import ConfigurationError, FailureKind, ProviderFailure

if TYPE_CHECKING:
    from chat_models.calling import Completion, acall, call, check_constrainable
    from chat_models.retrying import Affinity, Retry

__all__ = [
    "Affinity",
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


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("chat_models.calling"), name)  # LangChain is loaded when a model is called
