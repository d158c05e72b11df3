"""Which key goes to which host: for the owner of the machine, and for a client of a started server."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from lora_stub import LoraStub
from openai_stub import OpenAIStub

from chat_models import ConfigurationError, ProviderFailure, call, chat_model
from chat_models.keys import MODEL_HOSTS, access, client_calls, new_context
from chat_models.served import ServedChatModel
from graphs.agent.loop import agent_model
from graphs.inner_agent.opening import models
from graphs.settings import EpisodeSettings
from training import TrainingError
from training.serving import served_models, unload_adapter

HI = [{"role": "user", "content": "hi"}]
VARIABLES = ("OPENAI_BASE_URL", "OPENAI_API_BASE", MODEL_HOSTS)
LOOPBACK, EVERYWHERE = "http://127.0.0.1:2024", "http://0.0.0.0:2024"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "key-for-openai")
    monkeypatch.setenv("VLLM_API_KEY", "key-for-vllm")
    monkeypatch.setenv("LANGGRAPH_API_URL", LOOPBACK)


@pytest.fixture
def resolves(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[list[str]]]:
    """Names and, for each time they are looked up, their addresses; the last entry repeats."""
    names: dict[str, list[list[str]]] = {}
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, port: Any, *more: Any, **options: Any) -> Any:
        if host not in names:
            return real(host, port, *more, **options)
        addresses = names[host].pop(0) if len(names[host]) > 1 else names[host][0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return names


def make(spec: str, base_url: str | None) -> ServedChatModel:
    made = chat_model(spec, world="none", base_url=base_url, timeout_s=5)
    assert isinstance(made, ServedChatModel)
    return made


def for_client(spec: str, base_url: str | None) -> ServedChatModel:
    with client_calls():
        return make(spec, base_url)


def sent(stub: OpenAIStub) -> str:
    """What the last request was authorised with."""
    return stub.headers[-1]["authorization"]


@pytest.mark.parametrize(("spec", "key"), [("openai:m", "key-for-openai"), ("vllm:m", "key-for-vllm")])
def test_the_owner_sends_a_key_where_they_say_and_a_client_to_configured_hosts_alone(
    stub: OpenAIStub, ask_puppet: Any, monkeypatch: pytest.MonkeyPatch, spec: str, key: str
) -> None:
    ask_puppet(make(spec, stub.url))
    assert sent(stub) == f"Bearer {key}"
    ask_puppet(for_client(spec, stub.url))
    assert sent(stub) == "Bearer none"
    monkeypatch.setenv(MODEL_HOSTS, f"other.example, 127.0.0.1:{stub.port}")
    ask_puppet(for_client(spec, stub.url))
    assert sent(stub) == f"Bearer {key}"


@pytest.mark.parametrize("variable", ["OPENAI_BASE_URL", "OPENAI_API_BASE"])
def test_the_base_url_in_the_servers_environment_gets_openais_key_and_no_other(
    stub: OpenAIStub, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, stub.url)
    for base_url in (None, stub.url):
        call(for_client("openai:m", base_url), HI)
        assert sent(stub) == "Bearer key-for-openai"
    call(for_client("vllm:m", stub.url), HI)
    assert sent(stub) == "Bearer none"


KEYS = [
    ("https://api.openai.com/v1", "", "key-for-openai"),
    ("https://API.openai.com.:443/v1", "", "key-for-openai"),
    ("http://api.openai.com/v1", "", None),
    ("https://api.openai.com:8443/v1", "", None),
    ("https://api.openai.com.evil.example/v1", "", None),
    ("https://openai.com/v1", "", None),
    ("https://models.example/v1", "models.example", "key-for-openai"),
    ("http://models.example:8000/v1", "models.example", "key-for-openai"),
    ("http://models.example/v1", "https://models.example", None),
    ("https://models.example/v1", "https://models.example/", "key-for-openai"),
    ("https://models.example:8000/v1", "https://models.example", None),
    ("https://models.example:8000/v1", "models.example:8001", None),
    ("https://evil-models.example/v1", "models.example", None),
    ("http://[fd00::7]:8000/v1", "[fd00::7]:8000", "key-for-openai"),
    ("http://10.1.2.3:8000/v1", "a.example 10.1.2.3", "key-for-openai"),
]


@pytest.mark.parametrize(("base_url", "listed", "key"), KEYS)
def test_hosts_are_compared_whole_with_scheme_and_port(
    monkeypatch: pytest.MonkeyPatch, base_url: str, listed: str, key: str | None
) -> None:
    monkeypatch.setenv(MODEL_HOSTS, listed)
    with client_calls():
        assert access(base_url, "OPENAI_API_KEY").key == key


def test_an_own_base_url_without_a_scheme_gets_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "localhost:8000/v1")
    with client_calls():
        assert access("http://localhost:8000/v1", "OPENAI_API_KEY").key is None


@pytest.mark.parametrize("entry", ["ftp://h", "h:99999", "h:0", "https://h/v1", "://", ":8000"])
def test_a_list_of_hosts_that_cannot_be_read_is_refused(monkeypatch: pytest.MonkeyPatch, entry: str) -> None:
    monkeypatch.setenv(MODEL_HOSTS, f"fine.example,{entry}")
    with pytest.raises(ConfigurationError, match=r"AUTOMEM_MODEL_HOSTS holds .*: write HOST, HOST:PORT"):
        for_client("vllm:m", "http://127.0.0.1:8000/v1")


@pytest.mark.parametrize("serves_at", [EVERYWHERE, "http://192.168.1.4:2024", "https://x.trycloudflare.com", "", "?"])
def test_a_server_that_others_reach_or_that_knows_no_address_calls_listed_hosts_alone(
    stub: OpenAIStub, monkeypatch: pytest.MonkeyPatch, serves_at: str
) -> None:
    monkeypatch.setenv("LANGGRAPH_API_URL", serves_at)
    for base_url in (stub.url, "https://models.example/v1"):
        with pytest.raises(ConfigurationError, match="is not called: this server can be reached from other machines"):
            for_client("vllm:m", base_url)
    assert stub.connections == 0
    monkeypatch.setenv(MODEL_HOSTS, f"127.0.0.1:{stub.port}")
    assert call(for_client("vllm:m", stub.url), HI).message["content"] == "hello"


PRIVATE = [
    "10.0.0.5",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "224.0.0.1",
    "[fe80::1]",
    "[fd00::1]",
]
PRIVATE += ["[::ffff:10.0.0.5]", "[64:ff9b::a00:5]", "[2002:a00:5::1]", "[ff02::1]"]
PRIVATE += ["[fec0::1]", "[64:ff9b:1::a00:5]", "[::ffff:0:10.0.0.5]", "[::10.0.0.5]", "192.0.0.192"]


@pytest.mark.parametrize("host", PRIVATE)
def test_a_private_or_link_local_address_is_refused_before_anything_is_sent(host: str) -> None:
    with pytest.raises(ConfigurationError, match="leads to a private or reserved address"):
        for_client("vllm:m", f"http://{host}/v1")


@pytest.mark.parametrize("addresses", [["10.0.0.5"], ["127.0.0.1", "169.254.169.254"]])
def test_a_name_that_resolves_to_a_private_address_is_not_called(
    stub: OpenAIStub, ask_puppet: Any, resolves: Any, addresses: list[str]
) -> None:
    resolves["inside.example"] = [addresses]
    with pytest.raises(ConfigurationError, match="leads to a private or reserved address") as caught:
        ask_puppet(for_client("vllm:m", f"http://inside.example:{stub.port}/v1"))
    assert stub.connections == 0
    assert addresses[-1] not in str(caught.value)


def test_a_name_is_resolved_once_and_the_checked_address_is_the_one_connected_to(
    stub: OpenAIStub, ask_puppet: Any, resolves: Any
) -> None:
    resolves["rebind.example"] = [["127.0.0.1"], ["10.0.0.5"]]
    ask_puppet(for_client("vllm:m", f"http://rebind.example:{stub.port}/v1"))
    assert stub.headers[-1]["host"] == f"rebind.example:{stub.port}"


def test_the_next_address_of_a_name_is_tried_when_one_accepts_no_connection(
    stub: OpenAIStub, ask_puppet: Any, resolves: Any
) -> None:
    resolves["two.example"] = [["127.0.0.9", "127.0.0.1"]]  # the stub listens at 127.0.0.1 only
    ask_puppet(for_client("vllm:m", f"http://two.example:{stub.port}/v1"))
    assert len(stub.bodies) == 1


def test_a_name_that_resolves_to_nothing_is_a_refused_connection(ask_puppet: Any, monkeypatch: Any) -> None:
    def nothing(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nothing)
    with pytest.raises(ProviderFailure) as caught:
        ask_puppet(for_client("vllm:m", "http://nowhere.example/v1"))
    assert caught.value.kind == "refused"


# Every way to a model


def test_a_provider_of_langchains_is_called_at_listed_base_urls_only(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        client_calls(),
        pytest.raises(ConfigurationError, match="anthropic:m' is not called at the base URL 'https://h'"),
    ):
        chat_model("anthropic:m", world="none", base_url="https://h")
    monkeypatch.setenv(MODEL_HOSTS, "h")
    with client_calls(), pytest.raises(ConfigurationError, match="pip install langchain-anthropic"):
        chat_model("anthropic:m", world="none", base_url="https://h")


def test_an_owners_model_with_its_key_is_not_shared_with_a_client(stub: OpenAIStub) -> None:
    settings = EpisodeSettings(
        world="vault", task="one-door", seed=1, model="vllm:a", base_url=stub.url, gameplay_model="vllm:b"
    )
    for agent in ("reviewer", "curator"):
        agent_model("vllm:m", agent, "vault", stub.url)
    models(settings)
    with client_calls():
        built = [
            *models(settings).values(),
            *(agent_model("vllm:m", a, "vault", stub.url) for a in ("reviewer", "curator")),
        ]
    for model in built:
        call(model, HI)
        assert sent(stub) == "Bearer none"


def test_a_new_context_keeps_that_a_client_is_served(stub: OpenAIStub) -> None:
    with client_calls():
        context = new_context()
    assert context.run(make, "vllm:m", stub.url).guarded
    assert not new_context().run(make, "vllm:m", stub.url).guarded


def test_a_server_that_loads_adapters_is_asked_under_the_same_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    with LoraStub("base") as stub:
        assert served_models(stub.url) == ["base"]
        for ask in (lambda url: unload_adapter(url, "x"), served_models):
            with client_calls(), pytest.raises(TrainingError, match="wants another key than VLLM_API_KEY holds, or an"):
                ask(stub.url)
        monkeypatch.setenv(MODEL_HOSTS, "127.0.0.1")
        with client_calls(), pytest.raises(TrainingError, match=r"refused the adapter 'x' .404.: The lora adapter 'x'"):
            unload_adapter(stub.url, "x")
        monkeypatch.delenv(MODEL_HOSTS)
        stub.key = None
        with client_calls(), pytest.raises(TrainingError, match=r"refused the adapter 'x' .404.\.$"):
            unload_adapter(stub.url, "x")
    with client_calls(), pytest.raises(ConfigurationError, match="private or reserved"):
        unload_adapter("http://10.0.0.5/v1", "x")
