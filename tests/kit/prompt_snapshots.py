"""The final prompts of the first scaffolds, as files under version control: a change of what a model is sent shows.

Update them after an intended change, from the repository's root:

    PYTHONPATH=. .venv/bin/python tests/kit/prompt_snapshots.py
"""

from pathlib import Path

from scaffolds import Scaffold
from tools import Reply, dialect
from worlds import Actions, make_world
from worlds.minihack import task_actions

FOLDER = Path(__file__).resolve().parents[1] / "scaffolds" / "snapshots"
BEFORE = {
    "long": "You see:\n- grass 1 step to your west\n- tree 1 step to your north\n\nYou face tree at your front.",
    "short": "Your status:\n- health: 9/9\n- food: 7/9\n- drink: 6/9\n- energy: 8/9\n\nYour inventory:\n- wood: 1",
}
NOW = {**BEFORE, "short": BEFORE["short"].replace("wood: 1", "wood: 2")}
NOTICES = ["map_notes.md has 61 lines, more than 60: write it anew, keeping what still matters."]
REPLIES = [
    Reply(title="SEARCH map_notes.md|water", text="step 7: lake 6 steps east", ok=True, call_id=None),
    Reply(title="<|RAED|>strategy.md<|END|>", text="There is no operation RAED.", ok=False, call_id=None),
]

LEVEL = [" ------- ", " |.....| ", " |..@d.+ ", " |..>..| ", " ------- "]
DUNGEON = {
    "long": "message:\nYou displaced Idefix.\n\nlanguage observation:\nstairs down 1 step away south\n"
    "tame little dog 1 step away east\n\ncursor:\nYourself a barbarian\n(x=4, y=3)\n\nmap:\n"
    + "\n".join(LEVEL)
    + "\n\n",
    "short": "inventory:\na: a +0 two-handed sword (weapon in hands)\n",
}
ASKED = {**DUNGEON, "long": DUNGEON["long"].replace("You displaced Idefix.", "What do you want to eat? [d or ?*]")}


def prompts() -> dict[str, str]:
    """Every prompt by the name of its snapshot."""
    return _crafter() | _dungeons() | _small()


def _small() -> dict[str, str]:
    crafter, minihack = Scaffold.load("crafter/small"), Scaffold.load("minihack/small")
    found = {}
    for spoken, notebook in (("tags", "on"), ("functions", "on"), ("tags", "off"), ("tags", "frozen")):
        found[f"small-crafter-system-{spoken}-{notebook}.md"] = system(crafter, spoken, notebook)
    for kind in ("Boxoban-Hard", "MazeWalk-9x9", "Corridor-R3", "CorridorBattle-Dark", "Quest-Easy"):
        task = f"MiniHack-{kind}-v0"
        name = f"small-minihack-system-{kind.lower()}.md"
        found[name] = spoken_system(minihack, "tags", "on", task, task_actions(task))
    for scaffold, before, now in ((crafter, BEFORE, NOW), (minihack, DUNGEON, ASKED)):
        files = [(name, 0) for name in scaffold.settings.files]
        given = {"step": 12, "action": "Do", "observation": now, "files": files}
        world = scaffold.settings.world
        found[f"small-{world}-log.md"] = scaffold.render("log", previous=before, notices=[], **given)
        found[f"small-{world}-plan.md"] = scaffold.render("plan", notices=["Free to step: east."], **given)
        found[f"small-{world}-results.md"] = scaffold.render(
            "results", replies=REPLIES, routine="PLAN", turns_left=1, note=""
        )
    return found


def _dungeons() -> dict[str, str]:
    nethack, minihack = Scaffold.load("nethack/v0"), Scaffold.load("minihack/v0")
    found = {}
    for spoken, notebook in (("tags", "on"), ("functions", "frozen"), ("tags", "off")):
        found[f"nethack-system-{spoken}-{notebook}.md"] = system(nethack, spoken, notebook)
    for kind in ("Boxoban-Hard", "MazeWalk-9x9", "Corridor-R3", "CorridorBattle-Dark", "Quest-Easy"):
        task = f"MiniHack-{kind}-v0"
        found[f"minihack-system-{kind.lower()}.md"] = spoken_system(minihack, "tags", "on", task, task_actions(task))
    task = "MiniHack-Quest-Easy-v0"
    found["minihack-system-functions-off.md"] = spoken_system(minihack, "functions", "off", task, task_actions(task))
    for scaffold in (nethack, minihack):
        files = [(name, text.count("\n")) for name, text in scaffold.memory.items()]
        now = {"action": "eat", "observation": ASKED, "files": files}
        world = scaffold.settings.world
        found[f"{world}-log.md"] = scaffold.render("log", step=7, previous=DUNGEON, notices=[], **now)
        found[f"{world}-plan.md"] = scaffold.render("plan", step=7, notices=["A question waits."], **now)
        found[f"{world}-results.md"] = scaffold.render("results", replies=[], routine="PLAN", turns_left=1, note="")
        found[f"{world}-handoff.md"] = scaffold.render("handoff", step=7, note="")
    return found


def _crafter() -> dict[str, str]:
    scaffold = Scaffold.load("crafter/v0")
    files = [(name, 3 * index) for index, name in enumerate(scaffold.settings.files)]
    found = {}
    for spoken in ("tags", "functions"):
        for notebook in ("on", "off", "frozen"):
            found[f"system-{spoken}-{notebook}.md"] = system(scaffold, spoken, notebook)
    found["log.md"] = scaffold.render(
        "log", step=12, action="Do", previous=BEFORE, observation=NOW, notices=[], files=files
    )
    found["log-notices.md"] = scaffold.render(
        "log", step=12, action="Do", previous=BEFORE, observation=NOW, notices=NOTICES, files=files
    )
    found["plan.md"] = scaffold.render("plan", step=12, action="Do", observation=NOW, notices=[], files=files)
    found["plan-first-notebook-off.md"] = scaffold.render(
        "plan", step=1, action=None, observation=NOW, notices=[], files=[]
    )
    found["results-log.md"] = scaffold.render("results", replies=REPLIES, routine="LOG", turns_left=9, note="")
    found["results-plan-last.md"] = scaffold.render(
        "results", replies=REPLIES, routine="PLAN", turns_left=1, note="The action was held back."
    )
    found["handoff.md"] = scaffold.render("handoff", step=12, note="")
    return found


def system(scaffold: Scaffold, spoken: str, notebook: str) -> str:
    """The system message for the world's first task."""
    world = make_world(scaffold.settings.world)
    world.close()
    return spoken_system(scaffold, spoken, notebook, world.task, world.actions)


def spoken_system(scaffold: Scaffold, spoken: str, notebook: str, task: str, actions: Actions) -> str:
    """The system message as the inner agent fills it in: LOG is left out unless the notebook is on."""
    speech = dialect(spoken)
    forms = {
        routine: speech.forms(scaffold.vocabulary(routine, actions, notebook=notebook)) for routine in ("LOG", "PLAN")
    }
    return scaffold.render(
        "system",
        world=scaffold.settings.world,
        task=task,
        actions=[(name, actions.help(name)) for name in actions],
        log_forms=forms["LOG"] if notebook == "on" else [],
        plan_forms=forms["PLAN"],
        files=[(name, spec.purpose) for name, spec in scaffold.settings.files.items()],
        turns=scaffold.settings.turns.model_dump(),
        notebook=notebook,
        dialect=spoken,
    )


def main() -> None:
    """Write every snapshot and delete those of prompts that are gone."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    found = prompts()
    for path in FOLDER.glob("*.md"):
        if path.name not in found:
            path.unlink()
    for name, text in found.items():
        (FOLDER / name).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
