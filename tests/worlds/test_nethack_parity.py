"""NetHack's text against BALROG's own, from the fixtures beside the checkout."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from worlds.nethack_screen import MORE, joined, screen_text, top_message
from worlds.nethack_status import status
from worlds.nethack_surroundings import surroundings, under_cursor
from worlds.nethack_text import Screen, Wording, inventory, observation

PARITY = Path(__file__).parents[3] / "shared" / "parity"

pytestmark = pytest.mark.skipif(
    not (PARITY / "nethack_text.npz").exists(), reason="the parity fixtures are not beside this checkout"
)


def lines(name: str) -> list[dict[str, Any]]:
    with gzip.open(PARITY / name, "rt", encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def all_texts(screen: Screen) -> dict[str, str]:
    x, y = screen.blstats[:2].tolist()
    row, column = screen.tty_cursor.tolist()
    balrog, paper = observation(screen, Wording.BALROG), observation(screen, Wording.PAPER)
    return {
        "text_glyphs": surroundings(screen.glyphs, x, y),
        "text_message": top_message(screen_text(screen.tty_chars)),
        "text_blstats": status(screen.blstats),
        "text_inventory": inventory(screen),
        "text_cursor": under_cursor(screen.glyphs, x, y, (row, column)),
        "long_balrog": balrog["long"],
        "short_balrog": balrog["short"],
        "long_automem": paper["long"],
        "short_automem": paper["short"],
    }


def test_every_text_of_every_recorded_screen_is_equal() -> None:
    with np.load(PARITY / "nethack_text.npz") as file:
        arrays = {name: file[name] for name in Screen._fields}
    records = lines("nethack_text.jsonl.gz")
    assert len(records) == len(arrays["glyphs"]) > 900
    for record in records:
        texts = all_texts(Screen(**{name: array[record["index"]] for name, array in arrays.items()}))
        wrong = [name for name, text in texts.items() if text != record[name]]
        assert wrong == [], f"record {record['index']} ({record['source']}, {record['kind']})"


def test_pages_are_joined_as_recorded() -> None:
    for record in lines("automore.jsonl.gz"):
        pages = ["".join(frame) for frame in record["frames"]]
        message = top_message(pages[0])
        used = 1
        while MORE in message and used < len(pages):
            message = joined(message, top_message(pages[used]))
            used += 1
        assert (message, used) == (record["text_message"], record["frames_used"]), record["seed"]
