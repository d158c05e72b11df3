"""Episodes of Crafter against the tests' stub server, which answers four calls per step; for the other benchmarks."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import endless_world
import paths

from traces import EpisodeFolder, RunFolder
from worlds import world_entry

ACTIONS = ("Move West", "Do", "Noop", "Move North", "Do", "Move East", "Do", "Move South")
"""What the stub's agent does in turn: it walks, works, and mostly survives its 2,000 steps."""


@contextmanager
def stub_server() -> Iterator[str]:
    """The base URL of the playing agent, in a process of its own: its CPU is not counted with ours."""
    from openai_stub import spawn_agent

    with spawn_agent(ACTIONS) as url:
        yield url


@contextmanager
def scripted_server(world: str) -> Iterator[str]:
    """The base URL of a server, in a thread, whose model is the scripted player of `world`."""
    from openai_stub import Exchange, OpenAIStub, say

    from chat_models import chat_model

    player = chat_model("scripted", world=world)

    async def behave(exchange: Exchange) -> None:
        reply = await player.ainvoke(exchange.body["messages"])
        await say(reply.content)(exchange)

    with OpenAIStub(behave, remember=False) as stub:
        yield stub.url


@dataclass
class Played:
    """What a stretch of steps cost this process."""

    steps: int
    cpu_s: float
    wall_s: float
    folders: list[EpisodeFolder]

    @property
    def cpu_ms_per_step(self) -> float:
        """Milliseconds of CPU (user and system) of this process per world step."""
        return 1e3 * self.cpu_s / self.steps


async def play_side_by_side(
    url: str, episodes: int, steps: int, warm_up: int = 20, first_seed: int = 42, world: str = "crafter"
) -> Played:
    """Play `episodes` for `steps` steps each, in lockstep-free concurrency, after `warm_up` uncounted steps each."""
    from graphs.evaluation.episode import play_step
    from graphs.inner_agent.sessions import SESSIONS
    from graphs.settings import EpisodeSettings

    scaffold = endless_world.scaffold() if world == "endless" else f"{world}/v0"
    task = world_entry(world).default_task
    run = RunFolder(paths.scratch())
    folders, sessions = [], []
    for seed in range(first_seed, first_seed + episodes):
        settings = EpisodeSettings(
            world=world, task=task, seed=seed, model="vllm:stub", scaffold=scaffold, base_url=url
        )
        folders.append(run.episode(world, task, seed))
        sessions.append(SESSIONS.hold(settings, folders[-1]))

    async def advance(index: int, count: int) -> int:
        session = sessions[index]
        for done in range(count):
            if session.position.over:
                return done
            await asyncio.create_task(play_step(session), context=contextvars.Context())
        return count

    await asyncio.gather(*(advance(index, warm_up) for index in range(episodes)))
    cpu, wall = time.process_time(), time.perf_counter()
    played = sum(await asyncio.gather(*(advance(index, steps) for index in range(episodes))))
    result = Played(played, time.process_time() - cpu, time.perf_counter() - wall, folders)
    for folder in folders:
        SESSIONS.close(folder)
    return result
