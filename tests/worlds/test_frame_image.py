import subprocess
import sys
from hashlib import sha256
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from worlds import Frame, make_world
from worlds.frame_image import INK, picture, png
from worlds.world import ColouredText

HEIGHT, WIDTH = 19, 10
RED, BLUE = "#ff0000", "#0000ff"


def cell(drawn: np.ndarray, row: int, column: int) -> np.ndarray:
    return drawn[row * HEIGHT : (row + 1) * HEIGHT, column * WIDTH : (column + 1) * WIDTH]


def test_each_letter_stands_in_a_cell_of_its_own_in_its_colour_on_black() -> None:
    drawn = picture(ColouredText.of(((("#@", RED), ("#", BLUE)), (("", RED),))))
    assert drawn.shape == (2 * HEIGHT, 3 * WIDTH, 3)
    assert drawn.dtype == np.uint8
    first, third = cell(drawn, 0, 0), cell(drawn, 0, 2)
    assert first[..., 0].max() == 255
    assert not first[..., 1:].any()
    np.testing.assert_array_equal(first[..., 0], third[..., 2])
    assert not drawn[HEIGHT:].any()


def test_the_cell_of_the_cursor_is_inverted_even_beyond_the_end_of_its_line() -> None:
    lines = ((("#", RED),), (("##", RED),))
    plain, inverted = picture(ColouredText.of(lines)), picture(ColouredText.of(lines, (0, 0)))
    np.testing.assert_array_equal(cell(inverted, 0, 0)[..., 0], 255 - cell(plain, 0, 0)[..., 0])
    np.testing.assert_array_equal(inverted[HEIGHT:], plain[HEIGHT:])
    beyond = picture(ColouredText.of(lines, (0, 3)))
    assert beyond.shape == (2 * HEIGHT, 4 * WIDTH, 3)
    assert cell(beyond, 0, 3).min() == int(INK[1:3], 16)
    np.testing.assert_array_equal(picture(ColouredText.of(lines, (9, 0))), plain)


def test_a_plain_text_is_drawn_in_one_colour_and_controls_as_nothing() -> None:
    drawn = picture("a\x1b[\n\x00")
    assert drawn.shape == (2 * HEIGHT, 3 * WIDTH, 3)
    assert drawn.max() == int(INK[1:3], 16)
    assert not cell(drawn, 0, 1).any()
    assert not drawn[HEIGHT:].any()
    np.testing.assert_array_equal(cell(drawn, 0, 0), picture("a"))
    assert picture("").shape == (HEIGHT, WIDTH, 3)


def test_letters_come_in_any_size() -> None:
    small, large = picture("@", 8), picture("@", 32)
    assert small.size < large.size
    assert small.any()


@pytest.mark.parametrize(
    ("world", "size"), [("crafter", (256, 256)), ("vault", (HEIGHT, 9 * WIDTH)), ("nethack", (456, 800))]
)
def test_the_frame_of_every_world_becomes_a_png_file(world: str, size: tuple[int, int]) -> None:
    made = make_world(world)
    made.reset(seed=4)
    frame = made.frame()
    made.close()
    shown = np.asarray(Image.open(BytesIO(png(frame))))
    assert shown.shape == (*size, 3)
    np.testing.assert_array_equal(shown, picture(frame))


def test_a_picture_with_transparency_loses_it() -> None:
    frame: Frame = np.full((2, 3, 4), 7, np.uint8)
    assert picture(frame).shape == (2, 3, 3)
    assert np.asarray(Image.open(BytesIO(png(frame)))).shape == (2, 3, 3)


PROGRAM = """
from hashlib import sha256
from worlds.frame_image import png
from worlds.world import ColouredText
print(sha256(png(ColouredText.of(((("@..$", "#ff0000"),),), (0, 1)))).hexdigest())
"""


def test_the_same_frame_is_the_same_bytes_in_another_process() -> None:
    here = sha256(png(ColouredText.of(((("@..$", RED),),), (0, 1)))).hexdigest()
    told = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stdout
    assert told.strip() == here
