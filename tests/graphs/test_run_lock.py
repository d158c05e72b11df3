"""Both outer loops, served or invoked as plain graphs: one run drives a run folder, the others are refused."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from openai_stub import Exchange
from puppet_reviewer import helps
from searching import searching
from specializing import Specializing
from tiny_model import make_tiny_model

from graphs.curator import Context as CuratorContext
from graphs.curator import Input as CuratorInput
from graphs.curator import graph as curator
from graphs.curator import open_specialization
from graphs.reviewer import Input, open_search
from graphs.reviewer.graph import build
from graphs.reviewer.graph import graph as reviewer
from graphs.run_lock import LOCK, run_lock
from graphs.settings import SettingsError

REFUSED = "run is in use by another run: wait for its end"


def test_two_served_runs_of_one_search_do_not_collide(tmp_path: Path) -> None:
    with searching(tmp_path, helps()) as search:
        asked, free, answers = threading.Event(), threading.Event(), search.server.default

        async def slowly(exchange: Exchange) -> None:
            asked.set()
            await asyncio.to_thread(free.wait)
            await answers(exchange)

        search.server.script(slowly)

        async def both() -> dict[str, Any]:
            first = asyncio.create_task(reviewer.ainvoke(search.given, context=search.context))
            await asyncio.to_thread(asked.wait)
            try:
                with pytest.raises(SettingsError, match=REFUSED):
                    await reviewer.ainvoke(Input(**{**search.given, "resume": True}), context=search.context)
            finally:
                free.set()
            return await first

        assert asyncio.run(both())["version"] == 1
    assert search.statuses() == [("v1.a1", "accepted")]


def test_a_served_run_that_waits_for_a_person_holds_nothing(tmp_path: Path) -> None:
    with searching(tmp_path, helps(), approve=True) as search:
        served = build().compile(checkpointer=InMemorySaver())
        config: Any = {"configurable": {"thread_id": "1"}}
        waiting = asyncio.run(served.ainvoke(search.given, config, context=search.context))
        assert waiting["__interrupt__"]
        with run_lock(search.run):
            pass
        search.go("yes", "yes", resume=True)
    assert search.statuses() == [("v1.a1", "accepted")]


def test_what_the_command_line_drives_is_refused_to_a_served_run(tmp_path: Path) -> None:
    with searching(tmp_path, helps()) as search:

        async def both() -> None:
            async with open_search(search.given, search.context):
                await reviewer.ainvoke(Input(**{**search.given, "resume": True}), context=search.context)

        with pytest.raises(SettingsError, match=REFUSED):
            asyncio.run(both())
        assert search.lineage() == []


def test_the_same_holds_for_the_other_loop(tmp_path: Path) -> None:
    described = Specializing(tmp_path, make_tiny_model(tmp_path / "base"))
    given: Any = CuratorInput(**described.given)

    async def both() -> None:
        context = CuratorContext(**described.context)
        async with open_specialization(given, context):
            await curator.ainvoke({**given, "resume": True}, context=context)

    with pytest.raises(SettingsError, match=REFUSED):
        asyncio.run(both())
    assert not (described.run / "collect").exists()


def test_what_start_refuses_leaves_no_lock_behind(tmp_path: Path) -> None:
    with searching(tmp_path, helps()) as search:
        for given in ({**search.given, "seeds": []}, {**search.given, "out": 7}):
            with pytest.raises(SettingsError):
                asyncio.run(reviewer.ainvoke(given, context=search.context))
    assert not search.run.exists()
    assert not list(tmp_path.rglob(LOCK))
