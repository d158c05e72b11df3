"""NetHack's text against BALROG's own (data/parity/NOTES.md): a selection of screens, all where they are there."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from worlds.nethack_surroundings import surroundings, under_cursor
from worlds.nethack_text import MORE, Screen, Wording, inventory, joined, observation, screen_text, top_message

PARITY = Path(__file__).parent / "data" / "parity"
WHOLE = Path(__file__).parents[3] / "shared" / "parity"
"""All recorded screens: beside a checkout of the project's own."""


def lines(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def all_texts(screen: Screen) -> dict[str, str]:
    x, y = screen.blstats[:2].tolist()
    row, column = screen.tty_cursor.tolist()
    balrog, paper = observation(screen, Wording.BALROG), observation(screen, Wording.PAPER)
    return {
        "text_glyphs": surroundings(screen.glyphs, x, y),
        "text_message": top_message(screen_text(screen.tty_chars)),
        "text_inventory": inventory(screen),
        "text_cursor": under_cursor(screen.glyphs, x, y, (row, column)),
        "long_balrog": balrog["long"],
        "short_balrog": balrog["short"],
        "long_automem": paper["long"],
        "short_automem": paper["short"],
    }


@pytest.mark.parametrize(
    ("folder", "least"),
    [
        pytest.param(PARITY, 190, id="selection"),
        pytest.param(
            WHOLE, 900, id="whole", marks=pytest.mark.skipif(not WHOLE.exists(), reason="not beside this checkout")
        ),
    ],
)
def test_every_text_of_every_recorded_screen_is_equal(folder: Path, least: int) -> None:
    with np.load(folder / "nethack_text.npz") as file:
        arrays = {name: file[name] for name in Screen._fields}
    records = lines(folder / "nethack_text.jsonl.gz")
    assert len(records) == len(arrays["glyphs"]) > least
    for record in records:
        texts = all_texts(Screen(**{name: array[record["index"]] for name, array in arrays.items()}))
        wrong = [name for name, text in texts.items() if text != record[name]]
        assert wrong == [], f"record {record['index']} ({record['source']}, {record['kind']})"


def test_pages_are_joined_as_recorded() -> None:
    for record in lines(PARITY / "automore.jsonl.gz"):
        pages = ["".join(frame) for frame in record["frames"]]
        message = top_message(pages[0])
        used = 1
        while MORE in message and used < len(pages):
            message = joined(message, top_message(pages[used]))
            used += 1
        assert (message, used) == (record["text_message"], record["frames_used"]), record["seed"]
