"""Where the rule-based player of the dungeons goes: down, to the unknown, through doors, to where it searches."""

import re
from collections import Counter
from collections.abc import Callable
from hashlib import blake2b

from worlds.map_reading import STEPS, Place
from worlds.players.dungeon_answers import lava_in_line
from worlds.players.dungeon_paths import ANYHOW, CLOSED, EASY, PATIENT, PUSHING, Way, index, place
from worlds.players.dungeon_situation import COUNT, Situation

_HOUR = 25
"""Steps for which a player without notes keeps to a place it chose."""
_KICKS = 25
"""Kicks after which a locked door is left alone."""
_NEXT = tuple((way, STEPS[way]) for way in ("north", "east", "south", "west"))


def descend(now: Situation) -> str:
    """To the stairs down, and down."""
    if now.at in _stairs(now):
        return ("down" if now.sight.hp * 3 >= now.sight.max_hp * 2 else now.heal() or "down") if now.full else ""
    known = {index(stairs) for stairs in _stairs(now)}
    if not known:
        return ""
    for allowed in (EASY, PUSHING, ANYHOW):
        way = now.ground.way(known.__contains__, allowed, now.vain)
        if way:
            far = len(way.steps) > 4 and now.full and not now.company and (now.at, "travel") not in now.notes.vain
            return "travel" if far else _walk(now, way)
    return ""


def roam(now: Situation) -> str:
    """Without notes every place seems new: to one that seems so, another for every few steps."""
    if now.notes.kept or now.step < 2:
        return ""
    doors = [way for way, name in now.sight.seen.beside.items() if "closed door" in name]
    if doors and re.search("locked|WHAMM", now.sight.message) and now.coin(6, "kick"):
        return "kick"
    ground, goal = now.ground, _frontier(now)
    distances = ground.distances(EASY)
    news = [at for at in distances if at != ground.start and goal(at)]
    if not news:
        return ""
    hour = now.step // _HOUR

    def price(at: int) -> int:
        whim = blake2b(f"{hour} {at}".encode(), digest_size=1).digest()[0] // 8 if hour % 2 else 0
        return distances[at] + whim

    best = min(news, key=price)
    way = ground.way(lambda at: at == best)
    return _walk(now, way) if way else ""


def explore(now: Situation) -> str:
    """To the nearest place that borders on the unknown."""
    ground = now.ground
    avoid: set[int] = set()
    goal = _frontier(now)

    def promising(at: int) -> bool:
        return goal(at) and not ground.is_inside(at)

    for wanted, allowed in ((promising, EASY), (goal, EASY), (goal, PUSHING)):
        best = ground.way(wanted, allowed, now.vain)
        for _ in range(2 * now.nudged):  # not the nearest, to which it has been going
            avoid |= {index(best.end)} if best else set()
            best = ground.way(wanted, allowed, now.vain, avoid) or best
        if best:
            return _walk(now, best)
    return ""


def cross(now: Situation) -> str:
    """Zap a wand at the lava that bars the way: of cold, it makes ice of it."""
    lava = now.sight.seen.find("}")
    if not lava or not any("wand" in name for name in now.sight.inventory.values()):
        return ""
    if lava_in_line(now.sight):
        return "zap" if (now.at, "zap") not in now.notes.vain else ""
    shore = {index(Place(x + dx, y + dy)) for x, y in lava for _, (dx, dy) in _NEXT}
    way = now.ground.way(shore.__contains__, PATIENT, now.vain)
    return _walk(now, way) if way else ""


def force(now: Situation) -> str:
    """To a locked door, and kick it."""
    locked = [door for door in now.locked if now.notes.kicked[door] < _KICKS]
    for direction, (dx, dy) in _NEXT:
        neighbour = Place(now.at.x + dx, now.at.y + dy)
        closed = "closed door" in now.sight.seen.beside.get(direction, "")
        if closed and (neighbour in locked or (not now.notes.kept and "locked" in now.sight.message)):
            return "kick"
    nearby = {index(Place(x + dx, y + dy)) for x, y in locked for _, (dx, dy) in _NEXT}
    way = now.ground.way(nearby.__contains__, PUSHING, now.vain) if nearby else None
    return _walk(now, way) if way else ""


def venture(now: Situation) -> str:
    """To the unknown over traps and past creatures, when there is no other way."""
    way = now.ground.way(_frontier(now), ANYHOW, now.vain)
    return _walk(now, way) if way else ""


def seek(now: Situation) -> str:
    """Search for hidden doors where it promises most for the walk there and has been done least."""
    if not now.full and now.sight.role == "knight":  # MiniHack's battle offers no search, and has no need of any
        return ""
    ground = now.ground
    turns: Counter[int] = Counter({index(at): count for at, count in now.notes.searched.items()})
    distances = ground.distances(PATIENT, now.vain)
    best = max(distances, key=lambda at: (ground.promise(at, turns) - distances[at], -at))
    if best == ground.start or (not now.notes.kept and now.coin(3, "search")):
        return COUNT[0] if now.full else "search"
    way = ground.way(lambda at: at == best, PATIENT, now.vain)
    return _walk(now, way) if way else ""


def wander(now: Situation) -> str:
    """Anywhere one can step."""
    ways = [way for way in now.sight.seen.passable if (now.at, way) not in now.notes.vain] or list(STEPS)
    return ways[now.coin(len(ways), "wander")]


def shake(now: Situation) -> str:
    """Without notes a circle goes unnoticed: now and then, a step anywhere."""
    return wander(now) if not now.notes.kept and now.step > 2 and now.coin(8, "shake") == 0 else ""


def _stairs(now: Situation) -> set[Place]:
    return set(now.sight.seen.stairs_down) | now.notes.stairs_down


def _frontier(now: Situation) -> Callable[[int], bool]:
    ground = now.ground

    def goal(at: int) -> bool:
        return at not in ground.walked and (ground.codes[at] == CLOSED or ground.is_frontier(at))

    return goal


def _walk(now: Situation, way: Way) -> str:
    """The way's first step, or a far move where the ground makes it end in the right place."""
    first = way.steps[0]
    length, after = now.ground.straight_part(way)
    lasting = now.full or "}" in "".join(now.sight.seen.lines)
    far = f"far {first}"
    if lasting and length >= 3 and after not in ANYHOW and not now.company and (now.at, far) not in now.notes.vain:
        end = place(now.ground.start + (length + 1) * (index(Place(*STEPS[first]))))
        return first if now.sight.seen.at(*end) == "}" else far
    return first
