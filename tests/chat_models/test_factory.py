"""From a specification to a model, or to one clear sentence before anything is sent."""

from __future__ import annotations

import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import FakeListChatModel

from chat_models import ConfigurationError, chat_model
from chat_models.served import ServedChatModel

ROOT = Path(__file__).parents[2]
KEYS = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE", "VLLM_API_KEY")
URL = "http://localhost:8000/v1"


@pytest.fixture(autouse=True)
def no_keys(monkeypatch):
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)


def make(spec: str, **options: Any) -> ServedChatModel:
    made = chat_model(spec, world="none", **options)
    assert isinstance(made, ServedChatModel)
    return made


def key_of(model: ServedChatModel) -> str:
    return model.secrets[0]


def test_a_vllm_model_has_the_papers_settings_and_no_retries_of_its_own():
    model = make("vllm:Qwen/Qwen2.5-32B-Instruct", base_url=URL)
    assert (model.model_name, model.openai_api_base) == ("Qwen/Qwen2.5-32B-Instruct", URL)
    assert (model.temperature, model.max_tokens, model.timeout_s, model.max_retries) == (1.0, 4096, 60.0, 0)
    assert str(model._address("chat/completions")) == f"{URL}/chat/completions"


def test_names_may_hold_colons():
    assert make("vllm:qwen2.5:7b", base_url=URL + "/").model_name == "qwen2.5:7b"


def test_settings_are_passed_on():
    model = make("openai:m", base_url=URL, temperature=0.2, max_tokens=9, timeout_s=5)
    assert (model.temperature, model.max_tokens, model.timeout_s) == (0.2, 9, 5.0)
    assert (model._timeouts.read, model._timeouts.connect) == (5.0, 5.0)


def test_openai_takes_key_and_address_from_the_environment(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "key-from-env\n")
    model = make("openai:gpt")
    assert (model.openai_api_base, key_of(model)) == ("https://api.openai.com/v1", "key-from-env")
    monkeypatch.setenv("OPENAI_BASE_URL", URL)
    assert make("openai:gpt").openai_api_base == URL
    assert key_of(make("openai:gpt", api_key="given")) == "given"


def test_a_key_for_openai_is_not_sent_to_a_vllm_server(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "key-for-openai")
    assert key_of(make("vllm:m", base_url=URL)) == "none"
    monkeypatch.setenv("VLLM_API_KEY", "key-for-vllm")
    assert key_of(make("vllm:m", base_url=URL)) == "key-for-vllm"


WRONG = [
    ("vllm:m", {}, r"vllm:m needs `base_url`"),
    ("openai:m", {}, r"openai:m needs the environment variable OPENAI_API_KEY, or `base_url`"),
    ("vllm:", {}, r"lacks a name: write vllm:NAME"),
    ("openai", {}, r"lacks a name: write openai:NAME"),
    ("gpt-5", {}, r"does not say who serves it: write vllm:gpt-5, openai:gpt-5"),
    ("", {}, r"write scripted, embedded, vllm:NAME, sglang:NAME, llamacpp:NAME, openai:NAME or PROVIDER:NAME"),
    (":m", {}, r"cannot be read"),
    ("scripted:crafter", {}, r"write scripted; which world it plays is set elsewhere"),
    ("embedded:x", {}, r"write embedded\[\+adapter=…\]"),
    ("embedded+weights=no/such", {}, r"no/such is no folder"),
    ("vllm:m", {"base_url": "localhost:8000"}, r"is no web address: write it like http://HOST:8000/v1"),
    ("vllm:m", {"base_url": "ftp://h/v1"}, r"is no web address"),
    ("vllm:m", {"base_url": "http://h:99999/v1"}, r"cannot be read: Port out of range"),
    ("vllm:m", {"base_url": "http://h/v1?x=1"}, r"must end with its path"),
    ("vllm:m", {"base_url": URL, "temperature": -0.1}, r"temperature is -0.1"),
    ("vllm:m", {"base_url": URL, "temperature": float("nan")}, r"temperature is nan"),
    ("vllm:m", {"base_url": URL, "max_tokens": 0}, r"at least 1 token"),
    ("vllm:m", {"base_url": URL, "timeout_s": 0}, r"timeout is 0 s"),
]


@pytest.mark.parametrize(("spec", "options", "sentence"), WRONG)
def test_what_cannot_work_is_said_in_one_sentence(spec, options, sentence):
    with pytest.raises(ConfigurationError, match=sentence) as caught:
        chat_model(spec, world="none", **options)
    assert "\n" not in str(caught.value)


def test_a_password_in_an_address_is_refused_and_not_repeated():
    with pytest.raises(ConfigurationError, match="holds a password") as caught:
        make("vllm:m", base_url="http://user:hunter2@host/v1")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("key", ["line\nbreak-key", "key with spaces", "clé-secrète"])
def test_a_key_that_no_header_can_carry_is_refused_and_not_repeated(key):
    with pytest.raises(ConfigurationError, match="The API key holds characters") as caught:
        make("openai:m", api_key=key)
    assert key not in str(caught.value)


# LangChain's providers


@pytest.fixture
def langchain(monkeypatch):
    """LangChain's factory, replaced by one that records how it was called; it may be told to raise."""

    class Factory(types.ModuleType):
        asked: list[dict[str, Any]]
        error: Exception | None = None

        def init_chat_model(self, name: str, **settings: Any) -> FakeListChatModel:
            self.asked.append({"name": name, **settings})
            if self.error is not None:
                raise self.error
            return FakeListChatModel(responses=["hi"])

    factory = Factory("langchain.chat_models")
    factory.asked = []
    monkeypatch.setitem(sys.modules, "langchain", types.ModuleType("langchain"))
    monkeypatch.setitem(sys.modules, "langchain.chat_models", factory)
    return factory


def test_other_providers_come_from_langchain_without_retries_of_their_own(langchain):
    chat_model("anthropic:claude", world="none", api_key="k")
    assert langchain.asked == [
        {
            "name": "claude",
            "model_provider": "anthropic",
            "max_retries": 0,
            "temperature": 1.0,
            "max_tokens": 4096,
            "timeout": 60.0,
            "api_key": "k",
        }
    ]


def test_a_setting_that_a_provider_calls_otherwise_is_passed_under_its_name(langchain):
    chat_model("ollama:qwen2.5:7b", world="none", max_tokens=99)
    assert (langchain.asked[0]["name"], langchain.asked[0]["num_predict"]) == ("qwen2.5:7b", 99)
    assert "max_tokens" not in langchain.asked[0]


LIBRARY_ERRORS = [ImportError("pip install langchain-x"), ValueError("bad\nkey k3y-k3y"), Exception("x")]


@pytest.mark.parametrize("error", LIBRARY_ERRORS)
def test_whatever_a_providers_constructor_raises_is_one_sentence_without_the_key(langchain, error):
    langchain.error = error
    with pytest.raises(ConfigurationError, match=r"^The model 'x:y' cannot be built: .*[^.]\.$") as caught:
        chat_model("x:y", world="none", api_key="k3y-k3y")
    assert "k3y-k3y" not in str(caught.value)


def test_without_langchain_the_packages_to_install_are_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "langchain", None)
    monkeypatch.setitem(sys.modules, "langchain.chat_models", None)
    with pytest.raises(ConfigurationError, match="pip install langchain langchain-google-genai"):
        chat_model("google_genai:gemini", world="none")


def test_langchain_itself_names_the_package_of_a_provider_and_the_providers_it_knows():
    pytest.importorskip("langchain.chat_models", reason="the package langchain is not installed")
    with pytest.raises(ConfigurationError, match="pip install langchain-fireworks"):
        chat_model("fireworks:m", world="none")
    with pytest.raises(ConfigurationError, match=r"nowhere.*Supported model providers are: anthropic"):
        chat_model("nowhere:m", world="none")


# Imports


def test_importing_the_room_and_refusing_a_model_load_nothing_heavy():
    script = (
        "import sys, chat_models\n"
        "for spec in ('vllm:m', 'embedded+weights=no', 'gpt'):\n"
        "    try: chat_models.chat_model(spec, world='none')\n"
        "    except chat_models.ConfigurationError: pass\n"
        "heavy = {'langchain', 'langchain_core', 'langchain_openai', 'openai', 'httpx2', 'pydantic', 'torch'}\n"
        "print(sorted((heavy | {'transformers'}) & {name.split('.')[0] for name in sys.modules}))"
    )
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


def test_every_public_name_can_be_had():
    import chat_models

    assert all(getattr(chat_models, name) for name in chat_models.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = chat_models.nothing
