"""The world `cellar`, as an entry point of the group `automem.worlds` names it. Importing this loads no game."""

from worlds import WorldEntry

ENTRY = WorldEntry(
    name="cellar",
    summary="rooms, keys and boxes: a letter read once says which key opens which box",
    tasks=("one-box", "three-boxes"),
    seeds=tuple(range(1, 6)),
    max_steps=80,
    factory="own_world.game:make_cellar",
    player="own_world.player:CellarPolicy",
    scaffold="own_world:scaffold",
)
