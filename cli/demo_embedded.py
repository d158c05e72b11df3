"""The demo's last episode: a small language model in this process, its operations shown as it writes them."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from graphs.inner_agent.session import Session

MODEL = "embedded+tokens=80"
"""Shorter replies than usual: it has little to say."""
STEPS, MINUTES = 3, 1.5
"""Of the episode. A call takes some three seconds on two cores."""
TURNS = {"log": 2, "plan": 3}
"""Per routine; the model would use all ten it has, several times a minute's worth."""

HONESTY = (
    "A language model plays now, {model}, in this process. With 135 million parameters it plays badly, as you will\n"
    "see; larger ones are served: automem eval --model vllm:NAME. Left alone it hardly ever writes an operation that\n"
    "can be read, so its replies are held to valid ones (--constrained). It gets {log} turns for LOG, {plan} for PLAN."
)


def play_embedded(world: str, model: str, folder: Path, console: Console) -> bool:
    """Play one short episode with a language model and show each operation as it happens; whether nothing failed.

    Where the model's weights cannot be had, one line says so, and that is no failure.
    """
    from chat_models import ConfigurationError, chat_model
    from graphs.inner_agent.ceilings import CeilingReached
    from graphs.inner_agent.context import Context, default_scaffold, episode_settings
    from graphs.inner_agent.failures import MACHINE_FAILURES
    from graphs.inner_agent.opening import check
    from graphs.inner_agent.run_file import begin_run
    from graphs.inner_agent.sessions import SESSIONS
    from traces import RunFolder

    console.print("\nlanguage model", style="bold", highlight=False)
    try:
        chat_model(model, world=world)
    except ConfigurationError as error:
        console.print(f"Not played: {error}", markup=False, highlight=False, soft_wrap=True)
        return True
    console.print(HONESTY.format(model=model.split("+")[0], **TURNS), highlight=False, markup=False, soft_wrap=True)
    context = Context(
        constrained=True,
        max_steps=STEPS,
        ceilings={"minutes": MINUTES},
        scaffold=str(_shortened(default_scaffold(world), folder / "scaffold")),
    )
    settings = episode_settings({"world": world, "model": model}, context)
    run = RunFolder(folder)
    begin_run(run, settings, check(settings).digest, world=world, tasks=[settings.task], seeds=[settings.seed])
    episode = run.episode(world, settings.task, settings.seed)
    try:
        asyncio.run(_watch(SESSIONS.hold(settings, episode)))
    except CeilingReached as reached:
        console.print(f"That is enough for a demo: {reached}", markup=False, highlight=False)
    except MACHINE_FAILURES as error:
        console.print(f"The episode failed: {error}", markup=False, highlight=False)
        return False
    finally:
        SESSIONS.close(episode)
    console.print(f"  {episode.steps}  its trace", markup=False, highlight=False, soft_wrap=True)
    return True


def _shortened(scaffold: str, to: Path) -> Path:
    """A copy of the scaffold with fewer turns."""
    from scaffolds import Scaffold

    Scaffold.load(scaffold).copy(to)
    settings = to / "scaffold.toml"
    text = settings.read_text()
    for routine, turns in TURNS.items():
        text = re.sub(rf"(?m)^{routine} = \d+$", f"{routine} = {turns}", text)
    settings.write_text(text)
    return to


async def _watch(session: Session) -> None:
    from cli.pace import Pace
    from cli.play_plain import PlainLines
    from cli.watched import Watched

    await PlainLines(Watched(session, session.settings.model, draws=False), Pace(0.0)).run(None)
