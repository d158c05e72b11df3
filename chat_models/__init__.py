"""The models that answer: served ones, those of any provider, and scripted stand-ins; and how they are called."""

from chat_models.calling import Completion, Retry, acall, call, check_constrainable
from chat_models.factory import chat_model
from chat_models.failures import ConfigurationError, FailureKind, ProviderFailure

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
