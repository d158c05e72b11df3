"""The text of the worlds on NetHack's engine, and a PLAN and a LOG of their rule-based player, written by hand."""

from __future__ import annotations

from policy_episode import ACT_ONLY, LOG

from worlds.players import Decision, Prompt
from worlds.players.dungeon_notes import MAP, PLAN, TRIED
from worlds.players.dungeon_player import DungeonPolicy


def shown(
    *rows: str,
    message: str = "",
    beside: str = "",
    inventory: str = "a: a long sword (weapon in hand)",
    status: str = "Dlvl:1 $:0 HP:16(16) Pw:5(5) AC:3 Xp:1/0 T:{turn}",
    turn: int = 500,
) -> str:
    """The text of a map whose only @ is the player; rows start at y=1. An empty map gives a place under the cursor."""
    grid = [row.ljust(80) for row in rows] + [" " * 80] * (21 - len(rows))
    grid += ["Agent the Gallant".ljust(80), status.format(turn=turn).ljust(80)]
    y, row = next(((y, row) for y, row in enumerate(rows, 1) if "@" in row), (0, ""))
    cursor = f"Yourself a knight\n(x={row.index('@')}, y={y})" if row else "\n(x=20, y=0)"
    drawn = "".join(line + "\n" for line in grid)
    return (
        f"message:\n{message}\n\nlanguage observation:\n{beside}\n\ncursor:\n{cursor}\n\nmap:\n{drawn}\n"
        f"\n\ninventory:\n{inventory}\n"
    )


def planned(
    text: str, *notes: str, step: int = 50, sent: str = "east", notices: str = "", operations: frozenset[str] = ACT_ONLY
) -> str:
    """The action for an observation; with `notes` they are what the recalls have shown, one per line."""
    body = f"PLAN step {step}\n\n## Action sent\n{sent}\n\n## Now\n{text}"
    if notices:
        body += f"\n\n## Notices\n- {notices}"
    results: tuple[tuple[str, str], ...] = ()
    if notes:
        lines = "\n".join(f"{number}: {line}" for number, line in enumerate(notes, 1))
        body += f"\n\n## Notebook\n- {MAP} ({len(notes)} lines)\n- {TRIED} (0 lines)\n- {PLAN} (1 line)"
        results = ((f"SEARCH {MAP}", f"{len(notes)} lines of {MAP} contain 'D01':\n{lines}"),)
    [(name, arguments)] = DungeonPolicy().decide(Prompt("PLAN", step, body, results, operations))
    assert name == "act"
    return str(arguments["action"])


def logged(
    before: str, sent: str, now: str, *, operations: frozenset[str] = LOG, step: int = 50, files: str = ""
) -> list[Decision]:
    """What a LOG decides, its closing `done` aside."""
    body = f"LOG step {step}\n\n## Before\n{before}\n\n## Action sent\n{sent}\n\n## Now\n{now}"
    body += f"\n\n## Notebook\n{files or f'- {MAP} (3 lines)'}"
    decisions = DungeonPolicy().decide(Prompt("LOG", step, body, (), operations))
    assert decisions[-1] == ("done", {})
    return decisions[:-1]
