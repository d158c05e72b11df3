"""Crafter's text, and a PLAN of its rule-based player, written by hand for tests."""

from __future__ import annotations

from policy_episode import ACT_ONLY

from worlds.players import Prompt
from worlds.players.crafter_player import GOALS, MAP, CrafterPolicy

STATUS = "Your status:\n- health: 9/9\n- food: 8/9\n- drink: 7/9\n- energy: 6/9\n\n"


def seen(*things: str, front: str = "grass", inventory: str = "You have nothing in your inventory.") -> str:
    """Crafter's text for what is in view."""
    listed = "You see:\n" + "\n".join(f"- {thing}" for thing in things) if things else "You see nothing away from you."
    return f"{listed}\n\nYou face {front} at your front.\n\n{STATUS}{inventory}"


def carrying(**items: int) -> str:
    """An inventory."""
    return "Your inventory:\n" + "\n".join(f"- {item}: {count}" for item, count in items.items())


def planned(text: str, *, notes: str | None = None, step: int = 50, sent: str = "Noop") -> str:
    """The action for an observation; without `notes` there is no notebook."""
    body = f"PLAN step {step}\n\n## Action sent\n{sent}\n\n## Now\n{text}"
    if notes is None:
        prompt = Prompt("PLAN", step, body, (), ACT_ONLY)
    else:
        body += f"\n\n## Notebook\n- {MAP} (9 lines)\n- {GOALS} (1 line)"
        results = ((f"READ {MAP}", notes), (f"READ {GOALS}", "step 40: place_stone"))
        prompt = Prompt("PLAN", step, body, results, frozenset({"read", "act"}))
    [(name, arguments)] = CrafterPolicy().decide(prompt)
    assert name == "act"
    return str(arguments["action"])
