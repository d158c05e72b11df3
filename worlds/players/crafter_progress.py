"""The rules that get the Crafter player on: plant, gather, and make one tool after the other."""

from worlds.players.crafter_moves import approach, explore, go, turn, use
from worlds.players.crafter_notes import Cell
from worlds.players.crafter_sight import DIRECTIONS, WALKABLE
from worlds.players.crafter_situation import FAR, Situation
from worlds.players.crafter_survival import STONES

_TOOLS = ("wood_pickaxe", "wood_sword", "stone_pickaxe", "stone_sword", "iron_pickaxe", "iron_sword")
_HARVEST = 30
"""Steps that a ripe plant is worth."""
_AT_A_TABLE = frozenset({"path", "stone", "tree"})
"""What may be on the cell where one works: it can be removed."""


def plant(now: Situation) -> str:
    """Look for a sapling in the grass, and plant it, once."""
    if now.sight.front != "grass":
        return ""
    if now.has("sapling"):
        return "Place Plant" if now.missing("place_plant") else ""
    eager = now.step <= 25 or (not now.lost and now.coin(3, "sapling") == 0)
    return "Do" if eager and now.missing("collect_sapling") else ""


def harvest(now: Situation) -> str:
    """Eat a plant that a notice calls ripe, for the first time or when hungry."""
    ripe = [(abs(x) + abs(y), (x, y)) for x, y in now.notices.ripe]
    if not ripe or now.lost or now.exposed or now.sight.vitals["health"] < 4 or now.sight.distance("zombie") <= 2:
        return ""
    steps, offset = min(ripe)
    if steps > _HARVEST or not (now.missing("eat_plant") or now.sight.vitals["food"] <= 5):
        return ""
    if steps != 1:
        return go(now, offset)
    return "Do" if now.sight.front == "plant" else turn(*offset)


def craft(now: Situation) -> str:
    """Make or place what can be made or placed right here."""
    sight = now.sight
    if sight.beside("table"):
        for tool in _TOOLS:
            if (
                not now.has(tool)
                and _affordable(now, tool)
                and (sight.beside("furnace") or not tool.startswith("iron"))
            ):
                return "Make " + tool.replace("_", " ").title()
    if sight.front not in WALKABLE:
        return ""
    if sight.beside("table") and now.has("stone") >= 4 and _needs_furnace(now):
        return "Place Furnace"
    if now.has("stone") and now.missing("place_stone") and (not now.lost or now.coin(8, "stone") == 0):
        return "Place Stone"
    return ""


def finish(now: Situation) -> str:
    """With all that the next iron tool takes, make it before anything else that can wait."""
    tool = "iron_sword" if now.has("iron_pickaxe") else "iron_pickaxe"
    if now.has(tool) or not _affordable(now, tool) or now.sight.vitals["health"] < 4 or now.exposed:
        return ""
    bench = _bench(now)
    return _to(now, bench) if bench and bench != now.notes.at else ""


def set_up(now: Situation) -> str:
    """Go where the next tool can be made, or set up a table and a furnace."""
    tool = next((tool for tool in _TOOLS if not now.has(tool)), "")
    if tool.startswith("iron"):
        return _set_up_iron(now, tool)
    if not tool or not _affordable(now, tool):
        return ""
    if tool == "stone_pickaxe" and now.has("stone") < 6 and now.sight.distance("stone") <= 3 and now.hour < 100:
        return ""  # enough for the sword and the furnace too, at one go
    return _to_table(now, spare=4)


def pick_up(now: Situation) -> str:
    """The thing most worth a few steps, of all that are known to be near."""
    wood, wanted = now.has("wood"), _wood_wanted(now)
    short = wood < min(4, wanted)
    best, best_cost = "", FAR
    for name, tool, carried, enough, reach, worth in (
        ("diamond", "iron_pickaxe", now.has("diamond"), 9, 20, 20),
        ("iron", "stone_pickaxe", now.has("iron"), 2, 12, 12),
        ("coal", "wood_pickaxe", now.has("coal"), 2, 7, 4),
        ("tree", "", wood, wanted, 14 if short else 5, 8 if short else 2),
        ("stone", "wood_pickaxe", now.has("stone"), STONES, 3, 1),
    ):
        if carried < enough and (not tool or now.has(tool)):
            distance = now.distance(name)
            if distance <= reach and distance - worth < best_cost:
                best, best_cost = name, distance - worth
    return use(now, best) if best else ""


def gather(now: Situation) -> str:
    """Go for what the next tool needs; look for it when it is not known where that is."""
    if now.has("wood") < min(3, _wood_wanted(now)) or not now.has("wood_pickaxe"):
        return use(now, "tree") or explore(now)
    if now.has("stone") >= 5 or now.distance("stone") > 6:
        for name, tool in (("diamond", "iron_pickaxe"), ("iron", "stone_pickaxe"), ("coal", "wood_pickaxe")):
            if now.has(tool) and now.has(name) < 1 and now.distance(name) < FAR:
                return use(now, name)
    if now.has("stone") < (STONES if now.distance("stone") <= 6 else 6):
        return use(now, "stone") or explore(now, near="s")
    return ""


def _affordable(now: Situation, tool: str) -> bool:
    material = tool.partition("_")[0]
    if material == "iron":
        return bool(now.has("wood") and now.has("coal") and now.has("iron"))
    return bool(now.has("wood") and now.has(material))


def _wood_wanted(now: Situation) -> int:
    """Wood for every tool still to make, and for a table when none is near."""
    return sum(not now.has(tool) for tool in _TOOLS) + (0 if now.distance("table") <= 12 else 2)


def _needs_furnace(now: Situation) -> bool:
    """Whether a furnace is wanted at this table: the first one, or the one that iron tools need beside a table."""
    if not now.has("stone_pickaxe") or now.sight.beside("furnace"):
        return False
    return now.distance("furnace") == FAR or (_affordable(now, "iron_pickaxe") and _bench(now) is None)


def _bench(now: Situation) -> Cell | None:
    """The nearest cell known from which both a table and a furnace can be reached."""
    marks = now.notes.marks
    x, y = now.notes.at
    best, best_distance = None, 40
    for table_x, table_y in (cell for cell, kind in marks.items() if kind == "table"):
        for furnace_x, furnace_y in (cell for cell, kind in marks.items() if kind == "furnace"):
            for cell_x in range(max(table_x, furnace_x) - 1, min(table_x, furnace_x) + 2):
                for cell_y in range(max(table_y, furnace_y) - 1, min(table_y, furnace_y) + 2):
                    distance = abs(cell_x - x) + abs(cell_y - y)
                    if distance < best_distance and marks.get((cell_x, cell_y), "path") in _AT_A_TABLE:
                        best, best_distance = (cell_x, cell_y), distance
    return best


def _set_up_iron(now: Situation, tool: str) -> str:
    if now.distance("furnace") == FAR and now.has("stone") >= 5:
        return _make_room(now) if now.sight.beside("table") else _to_table(now, spare=4)
    if not _affordable(now, tool):
        return ""
    bench = _bench(now)
    if bench:
        return _to(now, bench)
    if now.has("stone") < 5:
        return use(now, "stone") if now.distance("stone") <= 20 else ""
    return _make_room(now) if now.sight.beside("table") else _to_table(now, spare=3)


def _to(now: Situation, cell: Cell) -> str:
    return go(now, (cell[0] - now.notes.at[0], cell[1] - now.notes.at[1]))


def _to_table(now: Situation, spare: int) -> str:
    """To the table, or set one up when it is far and there is wood to spare."""
    far = now.distance("table")
    if far > 12 and now.has("wood") >= spare:
        return "Place Table" if now.sight.front in WALKABLE else _make_room(now) or explore(now)
    return approach(now, "table") if far < FAR else ""


def _make_room(now: Situation) -> str:
    """Turn to a free cell, to have it in front."""
    for direction in DIRECTIONS:
        names = now.names(direction)
        if names and all(name in WALKABLE for name in names):
            return f"Move {direction.capitalize()}"
    return ""
