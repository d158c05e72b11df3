"""What a model's server says without a model call: that it answers, which models it has, how long a context."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeGuard

from chat_models import ConfigurationError, ProviderFailure, chat_model
from graphs.doctor.rows import Row, ok, within

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from chat_models.served import ServedChatModel

REACH_S = 4.0
"""Seconds that a server may take to list its models."""
PROMPT_ROOM = 4_000
"""Tokens that the prompts of the shipped scaffolds take."""


def cheap_rows(spec: str, base_url: str | None, world: str, max_tokens: int) -> list[Row]:
    """What can be found out of a model's server without a model call. Nothing of what a run itself refuses."""
    if spec.strip().startswith(("scripted", "embedded")):
        return []
    try:
        model = chat_model(spec, world=world, base_url=base_url, timeout_s=REACH_S)
    except ConfigurationError:
        return []
    rows = reached(model)
    if is_served(model) and all(row.state != "fault" for row in rows):
        length = within(2 * REACH_S, lambda: context_if_known(model), None)
        rows.append(context_row(length, max_tokens))
    return rows


def reached(model: BaseChatModel) -> list[Row]:
    """Whether the server answers, and lists the model. `model` waits no longer than REACH_S."""
    if not is_served(model):
        return []
    answer = within(REACH_S + 1, lambda: _listed(model), f"{model.where}: no answer within {REACH_S:g} s")
    if isinstance(answer, str):
        return [
            Row("reachable", "fault", answer, "start the server, or correct its base URL"),
            Row("model listed", "warning", "not tried", "see the fault above"),
        ]
    status, names = answer
    if status in (401, 403):
        advice = "set the right key (OPENAI_API_KEY for openai:NAME, else VLLM_API_KEY)"
        return [Row("reachable", "fault", f"HTTP {status}: the key is refused", advice)]
    if status >= 500:
        waiting = "wait until it has loaded its model, or look at its log"
        return [Row("reachable", "warning", f"the server answers with HTTP {status}", waiting)]
    rows = [ok("reachable", str(model.openai_api_base))]
    if not names:
        return [*rows, ok("model listed", "the server has no list of its models")]
    if model.model_name in names:
        return [*rows, ok("model listed", model.model_name)]
    listed = ", ".join(names[:5]) + (" …" if len(names) > 5 else "")
    return [
        *rows,
        Row("model listed", "warning", f"{model.model_name} is not among them: {listed}", "name one of these"),
    ]


def _listed(model: ServedChatModel) -> tuple[int, list[str]] | str:
    """Status and names of the server's list of models; a sentence where no answer comes."""
    from chat_models.served import model_names

    try:
        response = model.request("GET", "models")
    except ProviderFailure as failed:
        return failed.sentence.rpartition("; ")[0]
    return response.status_code, model_names(response)


def context_of(model: BaseChatModel) -> int | None:
    """Tokens of prompt and reply together; None where that is not known."""
    if is_served(model):
        from chat_models.probes import context_length

        return context_length(model)
    network = getattr(getattr(model, "engine", None), "network", None)
    return None if network is None else int(network.context)


def context_if_known(model: BaseChatModel) -> int | None:
    """The same; None where the server does not answer either."""
    try:
        return context_of(model)
    except ProviderFailure:
        return None


def is_served(model: BaseChatModel) -> TypeGuard[ServedChatModel]:
    """Whether the model is behind an OpenAI-compatible server. The class comes with OpenAI's package: 0.6 s."""
    from chat_models.served import ServedChatModel

    return isinstance(model, ServedChatModel)


def context_row(length: int | None, max_tokens: int) -> Row:
    """Whether a prompt fits beside a reply of `max_tokens`."""
    if length is None:
        return ok("context length", "the server does not say")
    if length <= max_tokens:
        found = f"{length} tokens, of which a reply may take {max_tokens}: no prompt fits"
        return Row("context length", "fault", found, "lower `max_tokens`, or serve the model with a longer context")
    if length < max_tokens + PROMPT_ROOM:
        found = f"{length} tokens leave {length - max_tokens} for the prompt"
        return Row("context length", "warning", found, "lower `max_tokens`, or serve the model with a longer context")
    return ok("context length", f"{length} tokens")
