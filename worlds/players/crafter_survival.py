"""The rules that keep the Crafter player alive: fighting, shelter at night, drink and food before it is too late.

Shelter is a small room closed with stones, in which nothing can come near a sleeper. A stone can only be put where the
player looks, and it looks where it last moved. So a room is closed from inside by walking about in it: in a room of
2 x 2 cells every wall can be reached, in one of 1 x 2 only its two ends.
"""

from collections import deque
from collections.abc import Iterator

from worlds.players.crafter_moves import MINED_WITH, explore, go, roam, turn, use
from worlds.players.crafter_notes import GUESS, Cell
from worlds.players.crafter_sight import CREATURES, DIRECTIONS, WALKABLE
from worlds.players.crafter_situation import FAR, Situation

_LARGEST = 6
"""Cells of a closed room that still count as shelter: nothing appears that near to the player."""
_NEVER = 1_000
_ROOMS: tuple[tuple[Cell, ...], ...] = (
    ((0, 0),),
    *(((0, 0), step) for step in DIRECTIONS.values()),
    *(((0, 0), (x, 0), (0, y), (x, y)) for x in (-1, 1) for y in (-1, 1)),
)


def secure(now: Situation) -> bool:
    """Whether walls close in the player and at most a few free cells."""
    room, border = {now.notes.at}, deque([now.notes.at])
    while border:
        for _, cell in _neighbours(border.popleft()):
            if cell not in room and not _solid(now, cell):
                room.add(cell)
                border.append(cell)
                if len(room) > _LARGEST:
                    return False
    return True


def seal(now: Situation, most: int = _NEVER) -> str:
    """The next action towards a closed room around the player; empty when there are too few stones for any.

    `most` is the number of actions it may take, roughly.
    """
    x, y = now.notes.at
    best: frozenset[Cell] = frozenset()
    best_price = most
    for shape in _ROOMS:
        room = frozenset((x + dx, y + dy) for dx, dy in shape)
        price = _price(now, room)
        if price < best_price:
            best, best_price = room, price
    return _work(now, best) if best else ""


def _solid(now: Situation, cell: Cell) -> bool:
    """Whether nothing can walk through that cell, as far as is known."""
    mark = now.notes.marks.get(cell, GUESS)
    return mark not in ("path", "cow") and not mark.endswith(GUESS)


def _neighbours(cell: Cell) -> Iterator[tuple[str, Cell]]:
    for direction, (dx, dy) in DIRECTIONS.items():
        yield direction, (cell[0] + dx, cell[1] + dy)


def _price(now: Situation, room: frozenset[Cell]) -> int:
    """About how many actions closing that room takes; _NEVER when it cannot be closed with the stones at hand."""
    price = stones = 0
    for cell in room:
        if _solid(now, cell):
            if not _removable(now, now.notes.marks[cell]):
                return _NEVER
            price += 5
        for direction, outer in _neighbours(cell):
            if outer in room or _solid(now, outer):
                continue
            behind = (2 * cell[0] - outer[0], 2 * cell[1] - outer[1])
            if behind not in room and (cell, direction) != (now.notes.at, now.facing):
                return _NEVER
            stones += 1
            price += 2
    return price if stones <= now.has("stone") else _NEVER


def _removable(now: Situation, name: str) -> bool:
    return name == "tree" or (name in MINED_WITH and now.has(MINED_WITH[name]) > 0)


def _work(now: Situation, room: frozenset[Cell]) -> str:
    """Close the open wall in front, or walk inside the room to where one is."""
    facing = now.facing or "south"
    ahead, front = now.cell(facing), now.sight.front
    if ahead not in room and not _solid(now, ahead):
        if front in WALKABLE or front in ("water", "lava"):
            return "Place Stone"
        if front in CREATURES:
            return "Do"
    seen = {(now.notes.at, facing)}
    queue = deque([(now.notes.at, "")])
    while queue:
        at, first = queue.popleft()
        for direction, cell in _neighbours(at):
            if cell not in room or (cell, direction) in seen:
                continue
            seen.add((cell, direction))
            outer = (2 * cell[0] - at[0], 2 * cell[1] - at[1])
            if outer not in room and not _solid(now, outer):
                return _step(now, first or direction)
            queue.append((cell, first or direction))
    return ""


def _step(now: Situation, direction: str) -> str:
    if now.facing == direction and (now.sight.front in MINED_WITH or now.sight.front in ("tree", *CREATURES)):
        return "Do"
    return f"Move {direction.capitalize()}"


STONES = 9
"""What is carried at most, and enough to close a room in the open."""
_SLEEP_PER_ENERGY = 11
"""Steps asleep that restore one energy (crafter's own figure)."""

_FEEDS = {"cow": "food", "water": "drink"}
_WORTH = {"cow": 12, "water": 6}
"""Steps that a source named by a notice is worth; twice as many when what it feeds is down to `_URGENT`."""
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
    """Drink and eat before it is too late, the earlier the further it is; the nearer of what notes and notices name."""
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
    if vitals["food"] <= 6 and min(now.distance("cow"), _noticed(now, "cow")) <= 20:
        return _feed(now, "cow")
    if vitals["drink"] <= 7 and min(now.distance("water"), _noticed(now, "water")) <= 25:
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
    for source, (x, y) in now.notices.sources.items():
        urgent = now.sight.vitals.get(_FEEDS.get(source, ""), 9) <= _URGENT
        if abs(x) + abs(y) <= _WORTH.get(source, 0) * (2 if urgent else 1):
            near.append((abs(x) + abs(y), source, (x, y)))
    if not near:
        return ""
    _, source, offset = min(near)
    return use(now, source) if source in now.sight.things else go(now, offset)


def _feed(now: Situation, source: str) -> str:
    """To the nearest place of that source in notices or notes, and use it; empty when there is none within reach."""
    if _noticed(now, source) < now.distance(source):
        return go(now, now.notices.sources[source])
    return use(now, source)


def _noticed(now: Situation, source: str) -> int:
    """Steps to where a source was last seen by a notice; FAR without one."""
    x, y = now.notices.sources.get(source, (FAR, 0))
    return abs(x) + abs(y)


def _sleep_or_wait(now: Situation) -> str:
    return "Sleep" if now.sight.vitals["energy"] < 9 else "Noop"
