"""The rules by which the scripted Crafter player picks an action, in the order in which they are asked.

The same rules play with and without notes. Without, no position, no landmark out of view and no goal but those the
inventory proves is known, and the player wanders by the step number in the prompt.
"""

from worlds.crafter_moves import FAR, Situation, approach, explore, go, turn, use
from worlds.crafter_shelter import seal, secure
from worlds.crafter_sight import DIRECTIONS, WALKABLE

TOOLS = ("wood_pickaxe", "wood_sword", "stone_pickaxe", "stone_sword", "iron_pickaxe", "iron_sword")
STONES = 9
"""What is carried at most, and what closes a room in the open."""
_DUSK, _DAWN, _MORNING = 150, 280, 340
"""Steps into a day of 300 at which zombies gather on grass, begin to leave, and have left (as steps since midnight)."""


def choose(now: Situation) -> str:
    """The action to send."""
    if now.sight.sleeping:
        return "Noop"
    for rule in _RULES:
        action = rule(now)
        if action:
            return action
    return explore(now, near="s")


def _hour(now: Situation) -> int:
    """Steps into the day, the first hours of a morning counted to the night before."""
    hour = now.step % 300
    return hour + 300 if hour < _MORNING - 300 and now.step >= 300 else hour


def _exposed(now: Situation) -> bool:
    """Night, and grass near enough for zombies to come from."""
    return _DUSK <= _hour(now) < _DAWN and now.sight.distance("grass") <= 4


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


def _stay(now: Situation) -> str:
    """Behind walls at night, stay there: hunger takes less than the zombies outside."""
    vitals = now.sight.vitals
    besieged = _hour(now) >= _DAWN and now.sight.distance("zombie") <= 6 and min(vitals["food"], vitals["drink"]) > 0
    if not (_exposed(now) or besieged) or not secure(now):
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
    """Drink and eat before it is too late, the earlier the further it is."""
    vitals = now.sight.vitals
    needs = []
    for vital, source, enough in (("drink", "water", 2), ("food", "cow", 3)):
        enough = 1 if _exposed(now) else enough + min(now.distance(source), 24) // 12
        if vitals[vital] <= enough:
            needs.append((vitals[vital], source))
    for _, source in sorted(needs):
        action = use(now, source)
        if action:
            return action
    return explore(now, near={"water": "w", "cow": "+"}[min(needs)[1]]) if needs else ""


def _rest(now: Situation) -> str:
    """Sleep when tired, in a closed room where there are stones for it, in the open as a last resort."""
    energy, health = now.sight.vitals["energy"], now.sight.vitals["health"]
    night = _DUSK <= _hour(now) < _DAWN
    bedtime = night and 11 * (9 - energy) >= _DAWN - 15 - _hour(now)
    weak = health <= 3 or (health <= 6 and _exposed(now))
    if not (energy <= 3 or bedtime or weak or (_exposed(now) and energy <= 7)):
        return ""
    if secure(now):
        return "Sleep" if energy < 9 else "Noop"
    action = seal(now)
    if action:
        return action
    if now.has("wood_pickaxe") and now.distance("stone") <= 15:
        return use(now, "stone")
    desperate = energy <= (0 if night else 2)
    return "Sleep" if desperate and now.sight.distance("zombie") > 6 else ""


def _nap(now: Situation) -> str:
    """A first sleep by day where a room is quickly closed, for the sake of waking up."""
    if not now.missing("wake_up") or now.sight.vitals["energy"] > 6:
        return ""
    return "Sleep" if secure(now) else seal(now, most=9)


def _prepare(now: Situation) -> str:
    """Before the night: eat, drink, and have the stones for a closed room."""
    if not 100 <= _hour(now) < _DUSK:
        return ""
    vitals = now.sight.vitals
    if vitals["food"] <= 6 and now.distance("cow") <= 20:
        return use(now, "cow")
    if vitals["drink"] <= 7 and now.distance("water") <= 25:
        return use(now, "water")
    if now.has("wood_pickaxe") and now.has("stone") < STONES and now.distance("stone") <= 15:
        return use(now, "stone")
    return ""


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
    eager = now.step <= 25 or (not now.lost and now.coin(3, "sapling") == 0)
    return "Do" if eager and now.missing("collect_sapling") else ""


def _affordable(now: Situation, tool: str) -> bool:
    material = tool.partition("_")[0]
    if material == "iron":
        return bool(now.has("wood") and now.has("coal") and now.has("iron"))
    return bool(now.has("wood") and now.has(material))


def _craft(now: Situation) -> str:
    sight = now.sight
    if sight.beside("table"):
        for tool in TOOLS:
            if not now.has(tool) and _affordable(now, tool) and (sight.beside("furnace") or not tool.startswith("iron")):
                return "Make " + tool.replace("_", " ").title()
    if sight.front not in WALKABLE:
        return ""
    if sight.beside("table") and now.has("stone") >= 4 and now.distance("furnace") > 10 and now.has("stone_pickaxe"):
        return "Place Furnace"
    if now.has("stone") and now.missing("place_stone") and (not now.lost or now.coin(8, "stone") == 0):
        return "Place Stone"
    return ""


def _set_up(now: Situation) -> str:
    """Go where the next tool can be made, or set up a table there."""
    tool = next((tool for tool in TOOLS if not now.has(tool)), "")
    if not tool:
        return ""
    iron = tool.startswith("iron")
    furnace = iron and now.distance("furnace") == FAR and now.has("stone") >= 5
    if not (_affordable(now, tool) or furnace):
        return ""
    if tool == "stone_pickaxe" and now.has("stone") < 6 and now.sight.distance("stone") <= 3 and _hour(now) < 100:
        return ""  # enough for the sword and the furnace too, at one go
    far = now.distance("table")
    if far > 12 and now.has("wood") >= (3 if iron else 4) and (not iron or now.has("stone") >= 5):
        return "Place Table" if now.sight.front in WALKABLE else _make_room(now) or explore(now)
    if far == FAR:
        return ""
    if not now.sight.beside("table"):
        return approach(now, "table")
    if not iron or now.sight.beside("furnace"):
        return ""
    return approach(now, "furnace") if now.distance("furnace") <= 10 else _make_room(now)


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
    """The thing most worth a few steps, of all that are known to be near."""
    wood, wanted = now.has("wood"), _wood_wanted(now)
    best, best_cost = "", FAR
    for name, tool, carried, enough, reach, worth in (
        ("diamond", "iron_pickaxe", now.has("diamond"), 9, 20, 20),
        ("iron", "stone_pickaxe", now.has("iron"), 2, 12, 12),
        ("coal", "wood_pickaxe", now.has("coal"), 2, 7, 4),
        ("tree", "", wood, wanted, 14 if wood < min(4, wanted) else 5, 8 if wood < min(4, wanted) else 2),
        ("stone", "wood_pickaxe", now.has("stone"), STONES, 3, 1),
    ):
        if carried < enough and (not tool or now.has(tool)):
            distance = now.distance(name)
            if distance <= reach and distance - worth < best_cost:
                best, best_cost = name, distance - worth
    return use(now, best) if best else ""


def _gather(now: Situation) -> str:
    """Go for what the next tool needs; look for it when it is not known where that is."""
    if now.has("wood") < min(3, _wood_wanted(now)) or not now.has("wood_pickaxe"):
        return use(now, "tree") or explore(now)
    if now.has("stone") < (STONES if now.distance("stone") <= 6 else 6):
        return use(now, "stone") or explore(now, near="s")
    for name, tool in (("iron", "stone_pickaxe"), ("coal", "wood_pickaxe"), ("diamond", "iron_pickaxe")):
        if now.has(tool) and now.has(name) < 1:
            action = use(now, name)
            if action:
                return action
    return ""


_RULES = (
    *(_fight, _stay, _shield, _starve, _rest),
    *(_plant, _craft, _set_up, _nap, _prepare, _refresh, _pick_up, _gather),
)
