"""What a served model's server can do, found out with short calls and without an episode.

Each probe raises ProviderFailure where the server does not answer. A probe's call takes at most PROBE_TOKENS new
tokens, and the limit of the model where that is lower.
"""

from __future__ import annotations

import threading
from typing import Any
from weakref import WeakValueDictionary

from chat_models.calling import check_constrainable
from chat_models.failures import ConfigurationError, FailureKind, ProviderFailure
from chat_models.messages import Message, decoded, to_langchain
from chat_models.pool import ServerPool
from chat_models.retrying import Retry, retried
from chat_models.sampler import NAMES as SAMPLER_NAMES
from chat_models.served import ServedChatModel, model_names

PROBE_TOKENS = 512
"""New tokens of a probe: room for a model that thinks before it writes."""
HELD = "held 8241"
"""What a constrained reply must be; no model writes it by itself."""
_held: WeakValueDictionary[int, Any] = WeakValueDictionary()
"""The models whose server was found to hold replies."""
_holding = threading.Lock()


def check_held(model: Any, name: str, retry: Retry | None = None) -> None:
    """ConfigurationError if the replies of the model, `name` for people, are not held to a regular expression.

    One call per model and process; none for a model that constrains itself (embedded).
    """
    check_constrainable(model, name)
    if isinstance(model, ServerPool):
        model.check_each(lambda member, tries: check_held(member, name, tries), retry)
    if not isinstance(model, ServedChatModel):
        return
    with _holding:
        if id(model) in _held:
            return
        if not holds_constraint(model, retry):
            raise ConfigurationError(
                f"The server of {name} at {model.openai_api_base} passes over the request to constrain replies: leave "
                "`constrained` out, or name the model as what serves it (vllm:NAME, sglang:NAME, llamacpp:NAME)."
            )
        _held[id(model)] = model


def holds_constraint(model: ServedChatModel, retry: Retry | None = None) -> bool:
    """Whether a reply is held to a regular expression; also where the model thought until its tokens were used up."""
    reply = _asked(model, [_user("Write the word hello.")], retry, **model.constrained(HELD))
    cut = reply.response_metadata.get("finish_reason") == "length"
    return reply.text == HELD or (cut and not reply.text.strip())


def takes_system_role(model: ServedChatModel) -> bool:
    """Whether a conversation may open with a system message."""
    opened = [{"role": "system", "content": "Be brief."}, _user("Write the word hello.")]
    return _accepts(model, opened) and not model.adaptation.folds_system


def needs_alternation(model: ServedChatModel) -> bool:
    """Whether two user messages in a row are refused."""
    return not _accepts(model, [_user("Good day."), _user("Write the word hello.")])


def listed_models(model: ServedChatModel) -> list[str]:
    """The models that the server lists; none where it has no list."""
    return model_names(model.request("GET", "models"))


def context_length(model: ServedChatModel) -> int | None:
    """Tokens that prompt and reply may have together, as vLLM and SGLang (`max_model_len`), llama.cpp (`/props`) and
    Ollama (`/api/ps`) say; None where the server does not.
    """
    listed = decoded(model.request("GET", "models").content)
    entries = listed.get("data") if isinstance(listed, dict) else None
    for entry in entries if isinstance(entries, list) else []:
        if isinstance(entry, dict) and entry.get("id") == model.model_name and _whole(entry.get("max_model_len")):
            return int(entry["max_model_len"])
    properties = decoded(model.request("GET", "/props").content)
    if isinstance(properties, dict):
        settings = properties.get("default_generation_settings")
        for place in (settings, properties):
            if isinstance(place, dict) and _whole(place.get("n_ctx")):
                return int(place["n_ctx"])
    running = decoded(model.request("GET", "/api/ps").content)  # of Ollama: the loaded models, with what each was given
    models = running.get("models") if isinstance(running, dict) else None
    for entry in models if isinstance(models, list) else []:
        if isinstance(entry, dict) and entry.get("name") == model.model_name and _whole(entry.get("context_length")):
            return int(entry["context_length"])
    return None


def servers_sampler(model: ServedChatModel) -> dict[str, float]:
    """Which tokens the server draws from where a call does not say, as far as it tells: llama.cpp does (`/props`)."""
    properties = decoded(model.request("GET", "/props").content)
    settings = properties.get("default_generation_settings") if isinstance(properties, dict) else None
    found = settings.get("params") if isinstance(settings, dict) else None
    told = {name: found.get(name) for name in SAMPLER_NAMES} if isinstance(found, dict) else {}
    return {name: value for name, value in told.items() if isinstance(value, int | float)}


def _accepts(model: ServedChatModel, messages: list[Message]) -> bool:
    try:
        _asked(model, messages)
    except ProviderFailure as failed:
        if failed.kind is not FailureKind.BAD_REQUEST:
            raise
        return False
    return True


def _asked(model: ServedChatModel, messages: list[Message], retry: Retry | None = None, **options: Any) -> Any:
    limit = min(model.max_tokens or PROBE_TOKENS, PROBE_TOKENS)
    prompt = to_langchain(messages)
    options["max_completion_tokens"] = limit  # ChatOpenAI's name; it goes out under the server's
    return retried(lambda: model.invoke(prompt, **options), model, retry or Retry(attempts=1))[1]


def _user(text: str) -> Message:
    return {"role": "user", "content": text}


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
