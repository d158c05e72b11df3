"""What a report consists of, whatever it is written as: sections of tables, figures and sentences, all plain text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell; what is smaller below it."""

    text: str
    small: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    """Text and address of each; in the page, not in Markdown."""


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that belong together, under a heading unless that is empty."""

    title: str
    rows: Sequence[Sequence[Cell]]
    origin: Literal["ours", "published"] = "ours"


@dataclass(frozen=True, slots=True)
class Table:
    """Columns after the first hold figures unless named in `words`."""

    kind: ClassVar = "table"
    title: str
    columns: Sequence[str]
    groups: Sequence[Group]
    note: str = ""
    words: Sequence[str] = ()
    folded: bool = False
    """Long: shown when asked for."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A dot of a figure that leads to what it stands for: its place from the upper left corner, and where it leads."""

    x: float
    y: float
    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Picture:
    """One figure as files and as it is put into the page."""

    name: str
    """Of its files, without ending."""
    title: str
    svg: bytes
    png: bytes
    note: str = ""
    wide: bool = False
    spots: Sequence[Spot] = ()
    size: tuple[float, float] = (0.0, 0.0)
    """Width and height, in the unit of its spots."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """Figures side by side where there is room."""

    kind: ClassVar = "pictures"
    pictures: Sequence[Picture]


@dataclass(frozen=True, slots=True)
class Note:
    """A sentence, and what it is about, one a line."""

    kind: ClassVar = "note"
    text: str
    items: Sequence[str] = ()
    warning: bool = False


Block = Table | Pictures | Note


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and its content."""

    title: str
    blocks: Sequence[Block]
    lead: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """The whole."""

    title: str
    sections: Sequence[Section]
    notes: Sequence[Note]

    @property
    def pictures(self) -> list[Picture]:
        """All figures, in order."""
        blocks = [block for section in self.sections for block in section.blocks]
        return [one for block in blocks if isinstance(block, Pictures) for one in block.pictures]


def percent(mean: float | None, error: float | None) -> str:
    """ "25.00 ± 5.50"; a dash where there is none. Both in percent."""
    return "–" if mean is None else f"{mean:.2f} ± {error or 0:.2f}"


def signed(value: float, decimals: int = 2) -> str:
    """ "+3.20", "−1.00", "0.00"."""
    text = f"{value:+.{decimals}f}".replace("-", "−")
    return text[1:] if not float(f"{value:.{decimals}f}") else text


def count(number: float, one: str) -> str:
    """ "1 episode", "5 episodes"."""
    return f"{number:,} {one}" if number == 1 else f"{number:,} {one}s"
