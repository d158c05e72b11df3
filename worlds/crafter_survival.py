"""The rules that keep the Crafter player alive: fighting, shelter at night, drink and food before it is too late."""

from worlds.crafter_exploring import explore, roam
from worlds.crafter_moves import go, turn, use
from worlds.crafter_shelter import seal, secure
from worlds.crafter_sight import DIRECTIONS, WALKABLE
from worlds.crafter_situation import FAR, Situation

STONES = 9
"""What is carried at most, and enough to close a room in the open."""
_SLEEP_PER_ENERGY = 11
"""Steps asleep that restore one energy (crafter's own figure)."""

_FEEDS = {"cow": "food", "water": "drink"}
_WORTH = {"cow": 12, "water": 6}
"""Steps that a source is worth which a notice tells of; twice as many when what it feeds is down to `_URGENT`."""
_URGENT = 4


def fight(now: Situation) -> str:
    """Strike what is adjacent; hunt, when strong, what was never defeated."""
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


def stay(now: Situation) -> str:
    """Behind walls at night, stay there: hunger takes less than the zombies outside."""
    vitals = now.sight.vitals
    besieged = now.dawn and now.sight.distance("zombie") <= 6 and min(vitals["food"], vitals["drink"]) > 0
    if not (now.exposed or besieged) or not secure(now):
        return ""
    if vitals["drink"] < 8 and now.sight.distance("water") == 1:
        return use(now, "water")
    return _sleep_or_wait(now)


def shield(now: Situation) -> str:
    """A stone against what comes straight at a weak player."""
    if now.sight.vitals["health"] > 4 or not now.has("stone") or now.sight.front not in WALKABLE or not now.facing:
        return ""
    dx, dy = DIRECTIONS[now.facing]
    for name in ("zombie", "skeleton", "arrow"):
        thing = now.sight.things.get(name)
        if thing and thing.distance <= 4 and (thing.x, thing.y) == (dx * thing.distance, dy * thing.distance):
            return "Place Stone"
    return ""


def starve(now: Situation) -> str:
    """Drink and eat before it is too late, the earlier the further it is; of what is known and told, the nearer."""
    vitals = now.sight.vitals
    if now.sight.front == "water" and vitals["drink"] < 8:
        return "Do"
    needs = []
    for vital, source, least in (("drink", "water", 2), ("food", "cow", 3)):
        enough = 1 if now.exposed else least + min(now.distance(source), 24) // 12
        if vitals[vital] <= enough:
            needs.append((vitals[vital], source))
    for _, source in sorted(needs):
        action = _feed(now, source)
        if action:
            return action
    if not needs:
        return ""
    return roam(now, "+") if min(needs)[1] == "cow" else explore(now, near="w")


def rest(now: Situation) -> str:
    """Sleep when tired, in a closed room where there are stones for it, in the open as a last resort."""
    energy, health = now.sight.vitals["energy"], now.sight.vitals["health"]
    bedtime = now.night and _SLEEP_PER_ENERGY * (9 - energy) >= now.left_of_night - 15
    weak = health <= 3 or (health <= 6 and now.exposed)
    if not (energy <= 3 or bedtime or weak or (now.exposed and energy <= 7)):
        return ""
    if secure(now):
        return _sleep_or_wait(now)
    action = seal(now)
    if action:
        return action
    if now.has("wood_pickaxe") and now.distance("stone") <= 15:
        return use(now, "stone")
    desperate = energy <= (0 if now.night else 2)
    return "Sleep" if desperate and now.sight.distance("zombie") > 6 else ""


def nap(now: Situation) -> str:
    """A first sleep by day where a room is quickly closed, for the sake of waking up."""
    if not now.missing("wake_up") or now.sight.vitals["energy"] > 6:
        return ""
    return "Sleep" if secure(now) else seal(now, most=9)


def prepare(now: Situation) -> str:
    """Before the night: eat, drink, and have the stones for a closed room."""
    if not now.evening:
        return ""
    vitals = now.sight.vitals
    if vitals["food"] <= 6 and min(now.distance("cow"), _told(now, "cow")) <= 20:
        return _feed(now, "cow")
    if vitals["drink"] <= 7 and min(now.distance("water"), _told(now, "water")) <= 25:
        return _feed(now, "water")
    if vitals["drink"] <= 5 and now.distance("water") == FAR:
        return explore(now, near="w")
    if now.has("wood_pickaxe") and now.has("stone") < STONES and now.distance("stone") <= 15:
        return use(now, "stone")
    return roam(now, "+") if vitals["food"] <= 5 and now.has("wood_pickaxe") else ""


def refresh(now: Situation) -> str:
    """Drink and eat while it is at hand."""
    drink, food = now.sight.vitals["drink"], now.sight.vitals["food"]
    first_drink = now.missing("collect_drink") and (drink < 9 or not now.lost)
    first_cow = now.missing("eat_cow") and (food < 9 or not now.lost)
    if now.sight.front == "water" and drink < 9:
        return "Do"
    if now.sight.distance("water") <= (6 if first_drink else 4 if drink < 7 else 0):
        return use(now, "water")
    if now.sight.distance("cow") <= (7 if first_cow else 6 if food <= 6 else 0):
        return use(now, "cow")
    return ""


def heed(now: Situation) -> str:
    """A notice of a low vital: to what feeds it while that is near, by day."""
    if now.lost or now.night:
        return ""
    near = []
    for source, (x, y) in now.told.sources.items():
        urgent = now.sight.vitals.get(_FEEDS.get(source, ""), 9) <= _URGENT
        if abs(x) + abs(y) <= _WORTH.get(source, 0) * (2 if urgent else 1):
            near.append((abs(x) + abs(y), source, (x, y)))
    if not near:
        return ""
    _, source, offset = min(near)
    return use(now, source) if source in now.sight.things else go(now, offset)


def _feed(now: Situation, source: str) -> str:
    """To the nearest place of that source, told or known, and use it; empty when there is none within reach."""
    if _told(now, source) < now.distance(source):
        return go(now, now.told.sources[source])
    return use(now, source)


def _told(now: Situation, source: str) -> int:
    """Steps to where a notice tells that a source was last seen; FAR when none tells so."""
    x, y = now.told.sources.get(source, (FAR, 0))
    return abs(x) + abs(y)


def _sleep_or_wait(now: Situation) -> str:
    return "Sleep" if now.sight.vitals["energy"] < 9 else "Noop"
