"""FINAL: the winner and its controls on seeds never played before, and the table of them all."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Literal

from langgraph.types import Command

from graphs.curator.evaluating import Evaluation, by_specialist, evaluate
from graphs.curator.events import tell
from graphs.curator.final_table import BASE, BOTH, RANDOM, SPECIALIST, Row, rows, write_table
from graphs.curator.folders import LETTERS
from graphs.curator.position import winner
from graphs.curator.recording import append, progression
from graphs.curator.specialization import Specialization, read_specialization
from graphs.curator.state import State
from graphs.inner_agent.ceilings import CeilingReached
from training.ledger import LedgerEntry


async def final(state: State) -> Command[Literal["finish"]]:
    """Play everybody, then compare."""
    run = await asyncio.to_thread(read_specialization, state["out"])
    best = await asyncio.to_thread(winner, run)
    assert best is not None, "next_iteration leads here only with a winner"
    players = await asyncio.to_thread(_players, run, best)
    try:
        for what in players.values():
            await evaluate(run, what)
    except CeilingReached as reached:
        why = f"{state['reason']} The final seeds were not played to their end: {reached}."
        return Command(goto="finish", update={"reason": why, "status": "limited"})
    table = await asyncio.to_thread(_written, run, best, players)
    tell("final", winner=best.run, rows=[row.to_plain() for row in table])
    return Command(goto="finish")


def _players(run: Specialization, best: LedgerEntry) -> dict[str, Evaluation]:
    """Everybody who plays; the base first, with whom the others are compared."""

    def by(player: str, adapter: Path) -> Evaluation:
        return by_specialist(run, f"final {player}", adapter, run.folder.final(player), run.final_seeds)

    adapter = run.folder.path / best.artifacts["adapter"]
    players = {SPECIALIST: by(SPECIALIST, adapter)}
    if run.controls:
        both = by(BOTH, adapter)
        players[BOTH] = replace(both, context=run.context.evaluating(both.model))
        players[RANDOM] = by(RANDOM, run.folder.random_turns.adapter(LETTERS[0]))
    base = replace(by(BASE, adapter), model=run.base, adapter=None)
    return {BASE: base, **players}


def _written(run: Specialization, best: LedgerEntry, players: dict[str, Evaluation]) -> list[Row]:
    table = rows(run, {name: (one.model, str(one.context.gameplay_model)) for name, one in players.items()})
    write_table(run, table, best.run)
    for player in players:
        out = run.folder.final(player)
        entry = LedgerEntry(
            run=f"final {player}",
            iteration=best.iteration,
            role=f"final {player}",
            artifacts={"evaluation": run.folder.relative(out.path)},
            **progression(run, out, run.final_seeds),
        )
        append(run, entry)
    return table
