"""From a model's specification, as written on the command line, to the model.

| specification | model |
|---|---|
| `vllm:NAME` | NAME on the vLLM server, or another OpenAI-compatible one, at the base URL |
| `sglang:NAME`, `llamacpp:NAME` | the same, with constrained replies asked for as SGLang and llama.cpp have it |
| `openai:NAME` | the same with an API key from the environment; OpenAI itself without a base URL |
| `scripted` | the world's rule-based player, no language model |
| `embedded` | SmolLM2-135M-Instruct in this process; `+adapter=PATH`: with a LoRA adapter |
| `embedded:OWNER/NAME`, `embedded+weights=DIR` | another causal language model, of the hub or of a folder |
| `PROVIDER:NAME` | whatever LangChain's `init_chat_model` knows: anthropic, google_genai, ollama, … |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from chat_models.failures import ConfigurationError, redacted
from chat_models.keys import (
    MODEL_HOSTS,
    OPENAI_URL,
    access,
    called_for_client,
    checked_key,
    is_configured,
    key_from,
    own_base_url,
)
from chat_models.sampler import checked_sampler

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

SERVERS = {"vllm": "VLLM_API_KEY", "sglang": "SGLANG_API_KEY", "llamacpp": "LLAMA_API_KEY"}
"""Of each kind of server at a base URL, the variable that may hold its key."""
MOST_SERVERS = 64
"""Of one model: each is asked for its list of models before a run."""
FORMS = "scripted, embedded, vllm:NAME, sglang:NAME, llamacpp:NAME, openai:NAME or PROVIDER:NAME"


def chat_model(
    spec: str,
    *,
    world: str,
    base_url: str | Sequence[str] | None = None,
    api_key: str | None = None,
    temperature: float = 1.0,
    max_tokens: int = 4096,
    timeout_s: float = 60.0,
    sampler: Mapping[str, float] | None = None,
    address: str = "`base_url`",
) -> BaseChatModel:
    """The model a specification names, by default with the paper's sampling; nothing is sent yet.

    `world` is the registered world that `scripted` plays. `base_url`: one, or several that serve the same model
    (`chat_models.pool`). `max_tokens` counts new tokens, `timeout_s` is for one attempt, `sampler` says which tokens
    are drawn from (`chat_models.sampler`; what it does not say, the server decides), `address` names the setting that
    gives `base_url`. ConfigurationError, in one sentence, for whatever cannot work.
    """
    _check(temperature, max_tokens, timeout_s)
    drawn = checked_sampler(sampler or {})
    spec = spec.strip()
    if base_url is not None and not isinstance(base_url, str):
        urls = list(base_url)
        if len(urls) > 1:
            sampling: dict[str, Any] = {"temperature": temperature, "max_tokens": max_tokens, "timeout_s": timeout_s}
            given = {"world": world, "api_key": api_key, "sampler": drawn, "address": address}
            return _pool(spec, urls, {**given, **sampling})
        base_url = urls[0] if urls else None
    if spec == "scripted":
        from chat_models.scripted_player import ScriptedPlayer

        return ScriptedPlayer(world=world)
    if spec == "embedded" or spec.startswith(("embedded:", "embedded+")):
        return _embedded(spec, {"temperature": temperature, "max_tokens": max_tokens, "sampler": drawn})
    provider, _, name = spec.partition(":")
    if not provider or not name or provider == "scripted":
        raise ConfigurationError(_unreadable(spec if len(spec) <= 80 else f"{spec[:80]}…"))
    if api_key is not None:
        api_key = checked_key(api_key, "The API key")
    settings: dict[str, Any] = {"temperature": temperature, "max_tokens": max_tokens, "timeout": timeout_s}
    if provider in SERVERS:
        if not base_url:
            raise ConfigurationError(
                f"The model {provider}:{name} needs {address}, the address of its server, such as "
                "http://localhost:8000/v1."
            )
        if provider == "sglang" and drawn.get("top_k") == 0:
            drawn = {**drawn, "top_k": -1}  # SGLang's word for all
        own = {"constraint_form": provider, "sampler": drawn}
        return _served(name, base_url, SERVERS[provider], api_key, {**settings, **own})
    if provider == "openai":
        return _openai(name, base_url, api_key, {**settings, "sampler": drawn}, address)
    if drawn:
        raise ConfigurationError(
            f"The model {spec!r} takes no `sampler`: leave it out, or name {_served_forms()}, openai:NAME or embedded."
        )
    return _provided(spec, provider, name, {**settings, "base_url": base_url, "api_key": api_key})


def _check(temperature: float, max_tokens: int, timeout_s: float) -> None:
    if not 0 <= temperature <= 2:
        raise ConfigurationError(f"The temperature is {temperature}: it must lie between 0 and 2.")
    if max_tokens < 1:
        raise ConfigurationError(f"max_tokens is {max_tokens}: a reply needs at least 1 token.")
    if not timeout_s > 0:
        raise ConfigurationError(f"The timeout is {timeout_s} s: it must be more than 0.")


def _unreadable(spec: str) -> str:
    if spec.startswith("scripted"):
        return f"The model {spec!r} cannot be read: write scripted; which world it plays is set elsewhere."
    if spec.rstrip(":") in (*SERVERS, "openai"):
        return f"The model {spec!r} lacks a name: write {spec.rstrip(':')}:NAME, with the name the server gives it."
    if spec and ":" not in spec:
        return f"The model {spec!r} does not say who serves it: write vllm:{spec}, openai:{spec} or PROVIDER:{spec}."
    return f"The model {spec!r} cannot be read: write {FORMS}."


def _embedded(spec: str, sampling: dict[str, Any]) -> BaseChatModel:
    from chat_models.embedded_spec import read_spec

    read = read_spec(spec)  # first, so that a refusal imports nothing heavy

    from chat_models.embedded import embedded_chat_model

    return embedded_chat_model(read, **sampling)


def _openai(
    name: str, base_url: str | None, api_key: str | None, settings: dict[str, Any], address: str
) -> BaseChatModel:
    variable = "OPENAI_API_KEY"
    own = str(own_base_url(variable))
    if not base_url and own == OPENAI_URL and not (api_key or key_from(variable)):
        raise ConfigurationError(
            f"The model openai:{name} needs the environment variable OPENAI_API_KEY, or {address} for a server that"
            " asks for no key."
        )
    return _served(name, base_url or own, variable, api_key, settings)


def _served(name: str, base_url: str, variable: str, api_key: str | None, settings: dict[str, Any]) -> BaseChatModel:
    host = _checked_url(base_url)
    allowed = access(base_url, variable)
    from pydantic import SecretStr

    from chat_models.served import ServedChatModel

    # OpenAI's newest models refuse max_tokens; no other server is known to.
    openais_own = host == "openai.com" or host.endswith(".openai.com")
    limit: Literal["max_tokens", "max_completion_tokens"] = "max_completion_tokens" if openais_own else "max_tokens"
    key = SecretStr(api_key or allowed.key or "none")  # the library insists on one; servers without keys ignore it
    return ServedChatModel(
        model=name, base_url=base_url, api_key=key, guarded=allowed.guarded, token_limit_field=limit, **settings
    )


def _served_forms() -> str:
    return ", ".join(f"{one}:NAME" for one in SERVERS)


def has_server(spec: str) -> bool:
    """Whether the model is called at base URLs, of which there may be several."""
    return spec.strip().partition(":")[0] in (*SERVERS, "openai")


def _pool(spec: str, urls: Sequence[str], settings: dict[str, Any]) -> BaseChatModel:
    """The model at several servers."""
    if not has_server(spec):
        raise ConfigurationError(
            f"The model {spec!r} is not called at several servers: give {settings['address']} once or not at all, or "
            f"name {_served_forms()} or openai:NAME."
        )
    if len(urls) > MOST_SERVERS:
        raise ConfigurationError(f"There are {len(urls)} base URLs: one model is called at {MOST_SERVERS} at most.")
    members = [chat_model(spec, base_url=url, **settings) for url in urls]
    seen: set[str] = set()
    for url in urls:
        same = url.rstrip("/").lower()
        if same in seen:
            raise ConfigurationError(f"The base URL {redacted(url)!r} is given twice: give each server once.")
        seen.add(same)
    from chat_models.pool import ServerPool

    return ServerPool(members=members)  # type: ignore[arg-type]  # a model with a server is a ServedChatModel


def _checked_url(base_url: str) -> str:
    """The host of a base URL. ConfigurationError if nothing can be reached under it."""
    shown = redacted(base_url)
    try:
        parts = urlsplit(base_url)
        port = parts.port
    except ValueError as error:
        raise ConfigurationError(f"The base URL {shown!r} cannot be read: {error}.") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise ConfigurationError(f"The base URL {shown!r} is no web address: write it like http://HOST:8000/v1.")
    if parts.username or parts.password:
        raise ConfigurationError(f"The base URL {shown!r} holds a password, which would end up in traces: use a key.")
    if parts.query or parts.fragment:
        raise ConfigurationError(f"The base URL {shown!r} must end with its path, such as /v1.")
    return parts.hostname


_OTHER_NAMES = {"ollama": {"max_tokens": "num_predict"}, "huggingface": {"max_tokens": "max_new_tokens"}}
"""Settings that a provider's class knows under another name, and under LangChain's would silently ignore."""


def _provided(spec: str, provider: str, name: str, settings: dict[str, Any]) -> BaseChatModel:
    """The model of one of LangChain's providers, whose library takes its key from the environment by itself."""
    base_url = settings["base_url"]
    if base_url is not None and called_for_client() and not is_configured(base_url):
        raise ConfigurationError(
            f"The model {spec!r} is not called at the base URL {redacted(base_url)!r}: leave the base URL out, or have "
            f"the server's operator list its host in {MODEL_HOSTS}."
        )
    try:
        langchain = import_module("langchain.chat_models")
    except ImportError:
        package = f"langchain-{provider.replace('_', '-')}"
        raise ConfigurationError(
            f"The model {spec!r} needs LangChain's packages: pip install langchain {package}, or write {FORMS}."
        ) from None
    other = _OTHER_NAMES.get(provider, {})
    given = {other.get(field, field): value for field, value in settings.items() if value is not None}
    try:
        # Retries are ours (chat_models.call): a library that retries too would multiply them.
        model: BaseChatModel = langchain.init_chat_model(name, model_provider=provider, max_retries=0, **given)
    except Exception as error:  # noqa: BLE001 - the boundary to providers' libraries, which raise what they like
        words = " ".join(redacted(str(error), [settings["api_key"] or ""]).split())[:600]
        raise ConfigurationError(f"The model {spec!r} cannot be built: {words.rstrip('.')}.") from None
    return model
