"""A stand-in for a vLLM server with LoRA: answers by model name, and loads and unloads adapters while it runs.

In a test, `with LoraStub("base", {"spec": "/adapter"}) as server:`. As a program it takes the arguments of
`vllm serve`, so that what starts vLLM can be tested: `python tests/kit/lora_stub.py serve BASE --port 8123 …`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from asyncio import StreamWriter
from pathlib import Path
from typing import Any

from openai_stub import OpenAIStub
from stub_replies import Exchange, say, unknown_model

DEAF, ENDS_AFTER = "LORA_STUB_DEAF", "LORA_STUB_ENDS_AFTER"
"""Variables of a server as a program: it does not end when asked; it breaks after so many calls."""


class LoraStub(OpenAIStub):
    """Each model answers with its own name."""

    def __init__(
        self, base: str, adapters: dict[str, str] | None = None, *, port: int = 0, runtime: bool = True
    ) -> None:
        """`runtime`: whether adapters may be loaded while it runs. Like vLLM it wants the key of VLLM_API_KEY."""
        super().__init__(port=port)
        self.base = base
        self.adapters = dict(adapters or {})
        self.runtime = runtime
        self.refuses = ""
        """A folder that it does not load."""
        self.in_place: set[str] = set()
        """Adapters that the server reads from disk again at every step."""
        self.key = os.environ.get("VLLM_API_KEY")
        self.calls_left = int(os.environ.get(ENDS_AFTER, -1))

    async def _answer(self, path: str, headers: dict[str, str], data: bytes, writer: StreamWriter) -> None:
        body: dict[str, Any] = json.loads(data) if data else {}
        exchange = Exchange(path, headers, body, writer)
        name = path.rpartition("/v1/")[2]
        if self.key and headers.get("authorization") != f"Bearer {self.key}":
            await exchange.send(b'{"error":"Unauthorized"}', code=401)
        elif name == "models":
            await exchange.send(json.dumps({"object": "list", "data": self._models()}).encode())
        elif self.runtime and name == "load_lora_adapter":
            code, text = self._load(body)
            await exchange.send(text.encode(), code=code)
        elif self.runtime and name == "unload_lora_adapter":
            known = self.adapters.pop(body["lora_name"], None)
            self.in_place.discard(body["lora_name"])
            said = "Success" if known else f"The lora adapter '{body['lora_name']}' cannot be found."
            await exchange.send(said.encode(), code=200 if known else 404)
        elif name == "chat/completions":
            if self.calls_left == 0:
                sys.stderr.write("out of memory\n")
                sys.stderr.flush()
                os._exit(7)
            self.calls_left -= 1
            self.bodies.append(body)
            model = body["model"]
            await (say(model) if model in (self.base, *self.adapters) else unknown_model())(exchange)
        else:
            await exchange.send(b'{"detail":"Not Found"}', code=404)

    def _models(self) -> list[dict[str, Any]]:
        entries = [{"id": self.base, "object": "model", "root": self.base, "parent": None}]
        return entries + [
            {"id": name, "object": "model", "root": path, "parent": self.base} for name, path in self.adapters.items()
        ]

    def _load(self, body: dict[str, Any]) -> tuple[int, str]:
        name, path = body["lora_name"], Path(body["lora_path"])
        if name in self.adapters and not body.get("load_inplace"):
            return 400, f"The lora adapter '{name}' has already been loaded."
        if not (path / "adapter_config.json").is_file() or str(path) == self.refuses:
            return 404, f"Loading lora {name} failed: No adapter found for {path}"
        self.adapters[name] = str(path)
        (self.in_place.add if body.get("load_inplace") else self.in_place.discard)(name)
        return 200, f"Success: LoRA adapter '{name}' added successfully."


def main() -> int:
    """Serve until terminated, as `vllm serve` does; status 0 after SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    parser.add_argument("serve", choices=["serve"])
    parser.add_argument("base")
    add("--served-model-name")
    add("--host", required=True)
    add("--port", type=int, required=True)
    add("--dtype", required=True)
    add("--max-lora-rank", type=int)
    add("--max-loras", type=int)
    add("--max-model-len", type=int)
    add("--lora-modules", nargs="*", default=[])
    add("--enable-lora", action="store_true")
    add("--enable-prefix-caching", action="store_true")
    given = parser.parse_args()
    if given.max_model_len == 0:
        sys.stderr.write("no such length\n")
        return 3
    adapters = dict(module.split("=", 1) for module in given.lora_modules)
    runtime = os.environ.get("VLLM_ALLOW_RUNTIME_LORA_UPDATING") == "True" and given.enable_lora
    stub = LoraStub(given.served_model_name or given.base, adapters, port=given.port, runtime=runtime)
    asyncio.run(_until_told(stub))
    return 0


async def _until_told(stub: LoraStub) -> None:
    serving = asyncio.ensure_future(stub.serve())
    await asyncio.to_thread(stub._started.wait, 10)
    if os.environ.get(DEAF):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for number in (signal.SIGINT,) if os.environ.get(DEAF) else (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stub._stop.set)
    await serving


if __name__ == "__main__":
    sys.exit(main())
