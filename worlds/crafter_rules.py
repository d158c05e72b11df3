"""The rules by which the scripted Crafter player picks an action, in the order in which they are asked.

The same rules play with and without notes. Without, no position, no landmark out of view and no goal but those the
inventory proves is known, and the player wanders by the step number in the prompt.
"""

from worlds.crafter_moves import FAR, Situation, approach, explore, go, turn, use
from worlds.crafter_sight import DIRECTIONS, WALKABLE
from worlds.crafter_shelter import seal, secure

TOOLS = ("wood_pickaxe", "wood_sword", "stone_pickaxe", "stone_sword", "iron_pickaxe", "iron_sword")
STONES = 9
"""What is carried at most, and what closes a room in the open."""


def choose(now: Situation) -> str:
    """The action to send."""
    if now.sight.sleeping:
        return "Noop"
    for rule in (_fight, _stay, _shield, _starve, _rest, _plant, _craft, _set_up, _refresh, _pick_up, _gather):
        action = rule(now)
        if action:
            return action
    return explore(now, near="s")


def _hour(now: Situation) -> int:
    """Steps into the day; 0 is a morning, and from about 160 to 265 it is dark and zombies gather on grass."""
    return now.step % 300


def _dark(now: Situation) -> bool:
    return 150 <= _hour(now) < 280


# --- staying alive ----------------------------------------------------------------------------------------------------


def _fight(now: Situation) -> str:
    for name in ("zombie", "skeleton"):
        thing = now.sight.things.get(name)
        if not thing:
            continue
        if now.sight.front == name:
            return "Do"
        if thing.distance == 1:
            return turn(thing.x, thing.y)
        hunted = now.missing(f"defeat_{name}") and not now.lost and now.has("wood_sword")
        if hunted and thing.distance <= 6 and now.sight.vitals["health"] >= 6:
            return go(now, (thing.x, thing.y))
    return ""


def _exposed(now: Situation) -> bool:
    return _dark(now) and now.sight.distance("grass") <= 4


def _stay(now: Situation) -> str:
    """Behind walls at night, stay there: hunger takes less than the zombies outside."""
    vitals = now.sight.vitals
    besieged = (_hour(now) >= 280 or _hour(now) < 40) and now.sight.distance("zombie") <= 6
    starving = min(vitals["food"], vitals["drink"]) == 0
    if not (_exposed(now) or (besieged and not starving)) or not secure(now):
        return ""
    if vitals["drink"] < 8 and now.sight.distance("water") == 1:
        return use(now, "water")
    return "Sleep" if vitals["energy"] < 9 else "Noop"


def _shield(now: Situation) -> str:
    """A stone against what comes straight at a weak player."""
    if now.sight.vitals["health"] > 4 or not now.has("stone") or now.sight.front not in WALKABLE or not now.facing:
        return ""
    dx, dy = DIRECTIONS[now.facing]
    for name in ("zombie", "skeleton", "arrow"):
        thing = now.sight.things.get(name)
        if thing and thing.distance <= 4 and (thing.x, thing.y) == (dx * thing.distance, dy * thing.distance):
            return "Place Stone"
    return ""


def _starve(now: Situation) -> str:
    """Drink and eat before it is too late, and before the night."""
    vitals = now.sight.vitals
    evening = 100 <= _hour(now) < 150
    needs = []
    for vital, source, near, reach in (("drink", "water", 7, 25), ("food", "cow", 6, 20)):
        distance = now.distance(source)
        if vitals[vital] <= (1 if _exposed(now) else 2 + min(distance, 36) // 12) or (
            evening and vitals[vital] <= near and distance <= reach
        ):
            needs.append((vitals[vital], source))
    for _, source in sorted(needs):
        action = use(now, source)
        if action:
            return action
    if needs and min(needs)[0] <= 4:
        return explore(now, near={"water": "w", "cow": "+"}[min(needs)[1]])
    if evening and now.has("wood_pickaxe") and now.has("stone") < STONES and now.distance("stone") <= 15:
        return use(now, "stone")
    return ""


def _rest(now: Situation) -> str:
    """Sleep when tired, in a closed room where there are stones for it, in the open as a last resort."""
    vitals = now.sight.vitals
    energy, health = vitals["energy"], vitals["health"]
    exposed = _exposed(now)
    bedtime = _dark(now) and 11 * (9 - energy) >= 265 - _hour(now)
    early = now.missing("wake_up") and energy <= 6
    tired = energy <= 3 or bedtime or (exposed and energy <= 7)
    safe = secure(now)
    if not tired and not (health <= 3 or (health <= 6 and exposed)):
        return ("Sleep" if safe else seal(now, most=9)) if early else ""
    if safe:
        return "Sleep" if energy < 9 else "Noop"
    action = seal(now)
    if action:
        return action
    if now.has("wood_pickaxe") and now.distance("stone") <= 15:
        return use(now, "stone")
    desperate = energy <= (0 if _dark(now) else 2)
    return "Sleep" if desperate and now.sight.distance("zombie") > 6 else ""


def _refresh(now: Situation) -> str:
    """Drink and eat while it is at hand."""
    vitals = now.sight.vitals
    if now.sight.front == "water" and vitals["drink"] < 9:
        return "Do"
    if now.sight.distance("water") <= (6 if now.missing("collect_drink") else 4 if vitals["drink"] < 7 else 0):
        return use(now, "water")
    if now.sight.distance("cow") <= (7 if now.missing("eat_cow") else 5 if vitals["food"] < 6 else 0):
        return use(now, "cow")
    return ""


# --- getting on -------------------------------------------------------------------------------------------------------


def _plant(now: Situation) -> str:
    if now.sight.front != "grass":
        return ""
    if now.has("sapling"):
        return "Place Plant" if now.missing("place_plant") else ""
    eager = now.step <= 40 or (not now.lost and now.coin(3, "sapling") == 0)
    return "Do" if eager and now.missing("collect_sapling") else ""


def _craft(now: Situation) -> str:
    sight = now.sight
    if sight.beside("table"):
        for tool in TOOLS:
            if not now.has(tool) and _affordable(now, tool):
                if not tool.startswith("iron") or sight.beside("furnace"):
                    return "Make " + tool.replace("_", " ").title()
    if sight.front in WALKABLE:
        if (
            sight.beside("table")
            and now.has("stone") >= 4
            and now.distance("furnace") > 10
            and now.has("stone_pickaxe")
        ):
            return "Place Furnace"
        if now.has("stone") and now.missing("place_stone") and (not now.lost or now.coin(8, "stone") == 0):
            return "Place Stone"
    return ""


def _affordable(now: Situation, tool: str) -> bool:
    material = tool.partition("_")[0]
    if material == "iron":
        return bool(now.has("wood") and now.has("coal") and now.has("iron"))
    return bool(now.has("wood") and now.has(material))


def _set_up(now: Situation) -> str:
    """Go where the next tool can be made, or set up a table there."""
    tool = next((tool for tool in TOOLS if not now.has(tool)), "")
    if not tool:
        return ""
    furnace = tool.startswith("iron") and now.distance("furnace") == FAR and now.has("stone") >= 5
    if not (_affordable(now, tool) or furnace):
        return ""
    if tool.startswith("stone") and now.has("stone") < 6 and now.sight.distance("stone") <= 3:
        return ""  # enough for the furnace too, at one go
    far = now.distance("table")
    spare = {"wood": 4, "stone": 4, "iron": 3}[tool.partition("_")[0]]
    if far > 12 and now.has("wood") >= spare and (not tool.startswith("iron") or now.has("stone") >= 5):
        return "Place Table" if now.sight.front in WALKABLE else _make_room(now) or explore(now)
    if far == FAR:
        return ""
    if not now.sight.beside("table"):
        return approach(now, "table")
    if not tool.startswith("iron") or now.sight.beside("furnace"):
        return ""
    if now.distance("furnace") <= 10:
        return approach(now, "furnace")
    return _make_room(now)


def _make_room(now: Situation) -> str:
    """Turn to a free cell, to have it in front."""
    for direction, names in now.sight.around.items():
        if names and all(name in WALKABLE for name in names):
            return f"Move {direction.capitalize()}"
    return ""


def _wood_wanted(now: Situation) -> int:
    """Wood for every tool still to make, and for a table when none is near."""
    return sum(not now.has(tool) for tool in TOOLS) + (0 if now.distance("table") <= 12 else 2)


def _pick_up(now: Situation) -> str:
    """What is worth a few steps whenever it is known to be near."""
    wanted = _wood_wanted(now)
    wood_reach = 14 if now.has("wood") < min(3, wanted) else 5 if now.has("wood") < wanted else 0
    for name, tool, enough, reach in (
        ("diamond", "iron_pickaxe", 9, 20),
        ("iron", "stone_pickaxe", 2, 12),
        ("tree", "", 9, wood_reach),
        ("coal", "wood_pickaxe", 2, 7),
        ("stone", "wood_pickaxe", STONES, 2),
    ):
        if (not tool or now.has(tool)) and now.has("wood" if name == "tree" else name) < enough:
            if now.distance(name) <= reach:
                return use(now, name)
    return ""


def _gather(now: Situation) -> str:
    """Go for what the next tool needs; look for it when it is not known where that is."""
    if now.has("wood") < min(3, _wood_wanted(now)):
        return use(now, "tree") or explore(now)
    if now.has("stone") < (STONES if now.distance("stone") <= 6 else 6):
        return use(now, "stone") or explore(now, near="s")
    for name, tool in (("iron", "stone_pickaxe"), ("coal", "wood_pickaxe"), ("diamond", "iron_pickaxe")):
        if now.has(tool) and now.has(name) < 1:
            action = use(now, name)
            if action:
                return action
    return ""


__all__ = ["DIRECTIONS", "choose"]
