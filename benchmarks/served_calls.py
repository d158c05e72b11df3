"""CPU of one call of a served model: ServedChatModel, LangChain's ChatOpenAI, and the bare `openai` client.

    python benchmarks/served_calls.py

Promise: ServedChatModel costs at most 0.8 times the CPU of ChatOpenAI.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from served_episodes import stub_server

PROMISE = 0.8
CALLS = 400
MESSAGES = [{"role": "system", "content": "rules " * 500}, {"role": "user", "content": "what is seen " * 100}]

Call = Callable[[], Awaitable[object]]


async def cpu_ms(call: Call, calls: int = CALLS) -> float:
    """Milliseconds of CPU per call."""
    for _ in range(20):
        await call()
    began = time.process_time()
    for _ in range(calls):
        await call()
    return 1e3 * (time.process_time() - began) / calls


async def measure(url: str, rounds: int = 3) -> list[tuple[float, float, float]]:
    """(ServedChatModel, ChatOpenAI, bare client) of each round, in milliseconds of CPU per call.

    All in one event loop: in a second one ChatOpenAI's connections fail with "Event loop is closed".
    """
    import openai
    from langchain_openai import ChatOpenAI

    from chat_models import chat_model
    from chat_models.messages import to_langchain

    prompt = to_langchain(MESSAGES)
    ours = chat_model("vllm:stub", world="vault", base_url=url)
    theirs = ChatOpenAI(model="stub", base_url=url, api_key="none", max_retries=0, max_tokens=4096)  # type: ignore[call-arg, arg-type]
    bare = openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0)
    figures = [
        (
            await cpu_ms(lambda: ours.ainvoke(prompt)),
            await cpu_ms(lambda: theirs.ainvoke(prompt)),
            await cpu_ms(lambda: bare.chat.completions.create(model="stub", messages=MESSAGES)),  # type: ignore[arg-type]
        )
        for _ in range(rounds)
    ]
    await bare.close()
    return figures


def main() -> bool:
    """Print the ratios; whether the promise is kept."""
    with stub_server() as url:
        rounds = asyncio.run(measure(url))
    ours, theirs, bare = (sorted(column)[1] for column in zip(*rounds, strict=True))
    print(f"CPU per call: ServedChatModel {ours:.2f} ms, ChatOpenAI {theirs:.2f} ms, openai client {bare:.2f} ms")
    ratio = sorted(one[0] / one[1] for one in rounds)[1]
    print(f"ServedChatModel: {ratio:.2f} x ChatOpenAI (promise <= {PROMISE}), {ours / bare:.2f} x the bare client")
    return ratio <= PROMISE


if __name__ == "__main__":
    raise SystemExit(not main())
