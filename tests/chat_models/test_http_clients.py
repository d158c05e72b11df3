"""One HTTP client per event loop: many loops in one process, one after another and side by side."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
from pathlib import Path

from openai_stub import OpenAIStub

from chat_models import Completion, Retry, acall, call
from chat_models import http_clients as clients

ROOT = Path(__file__).parents[2]
HI = [{"role": "user", "content": "hi"}]
ONCE = Retry(attempts=1)


def test_one_model_answers_in_loop_after_loop(stub, model):
    for _ in range(5):
        assert asyncio.run(acall(model, HI, retry=ONCE)).message["content"] == "hello"
    assert len(stub.bodies) == 5


def test_one_model_answers_in_loops_that_live_side_by_side_and_in_plain_threads(stub, model):
    count, rounds = 4, 10
    together = threading.Barrier(2 * count)
    answers: list[Completion] = []

    async def looped() -> None:
        together.wait(20)
        for _ in range(rounds):
            answers.extend(await asyncio.gather(*(acall(model, HI, retry=ONCE) for _ in range(3))))

    def plain() -> None:
        together.wait(20)
        answers.extend(call(model, HI, retry=ONCE) for _ in range(rounds))

    threads = [threading.Thread(target=asyncio.run, args=[looped()]) for _ in range(count)]
    threads += [threading.Thread(target=plain) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(answers) == count * rounds * 3 + count * rounds
    assert {done.message["content"] for done in answers} == {"hello"}


def test_a_loop_keeps_its_client_and_its_connection(stub, model):
    async def twice() -> None:
        first = clients.client_of_this_loop()
        await acall(model, HI)
        await acall(model, HI)
        assert clients.client_of_this_loop() is first

    asyncio.run(twice())
    assert stub.connections == 1


def test_a_client_is_closed_and_forgotten_with_its_loop(model):
    held = []

    async def once() -> None:
        held.append((asyncio.get_running_loop(), clients.client_of_this_loop()))
        await acall(model, HI)

    asyncio.run(once())
    loop, client = held[0]
    assert client.is_closed
    assert loop not in clients._clients
    assert loop not in clients._lifetimes


def test_the_client_of_a_loop_that_was_closed_without_ceremony_is_let_go_at_the_next_one():
    async def opened() -> asyncio.AbstractEventLoop:
        clients.client_of_this_loop()  # opened, never connected: nothing is left open in it
        return asyncio.get_running_loop()

    careless = asyncio.new_event_loop()
    careless.run_until_complete(opened())
    careless.close()
    assert careless in clients._clients
    asyncio.run(opened())
    assert careless not in clients._clients
    gc.collect()


SCRIPT = """
import asyncio, gc, logging, sys, threading
from chat_models import Retry, acall, call, chat_model
model = chat_model("vllm:m", world="none", base_url=sys.argv[1])
hi = [{"role": "user", "content": "hi"}]
logging.getLogger("asyncio").setLevel(logging.ERROR)  # that a step is slow, on a loaded machine, is a warning
for _ in range(2):
    asyncio.run(acall(model, hi, retry=Retry(1)))
thread = threading.Thread(target=lambda: asyncio.run(acall(model, hi, retry=Retry(1))))
thread.start(); thread.join()
call(model, hi, retry=Retry(1))
gc.collect()
print("done")
"""


def test_nothing_is_left_open_when_loops_and_the_process_end():
    with OpenAIStub() as stub:
        command = [sys.executable, "-X", "dev", "-W", "error", "-c", SCRIPT, stub.url]
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (run.stdout, run.stderr, run.returncode) == ("done\n", "", 0)
