"""A few Boxoban levels of our own, in the published form: `hard/*.txt` and `medium/train/*.txt`."""

from pathlib import Path

_ROOM = (
    "##########",
    "#        #",
    "#  $   . #",
    "#   #    #",
    "# . # $  #",
    "#   #    #",
    "#  @  .  #",
    "#  $  $. #",
    "#        #",
    "##########",
)
ONE_PUSH = "; 0\n##########\n##########\n####@$.###\n##########\n\n"
"""A file whose only level is solved by one step east."""


def turned(rows: tuple[str, ...], quarters: int) -> tuple[str, ...]:
    """The level turned clockwise."""
    for _ in range(quarters):
        rows = tuple("".join(column) for column in zip(*reversed(rows), strict=True))
    return rows


def write_levels(folder: Path) -> Path:
    """Both sets in a folder: hard has two files of two levels, medium one of three."""
    levels = [turned(_ROOM, quarters) for quarters in range(4)]
    for name, chosen in (
        ("hard/000.txt", levels[:2]),
        ("hard/001.txt", levels[2:]),
        ("medium/train/000.txt", levels[1:]),
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"; {i}\n" + "\n".join(rows) + "\n\n" for i, rows in enumerate(chosen)))
    return folder
