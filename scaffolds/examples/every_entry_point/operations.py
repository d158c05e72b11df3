"""An operation of the scaffold's own: a map with one line per place.

As a tag it is written <|UPSERT_MAP|>x,y|description<|END|>.
"""

import re
from typing import Annotated

from pydantic import Field

from memory_fs import MemoryResult
from scaffolds import NotebookView, operation, refused

_COORDINATE = re.compile(r"\(?\s*([+-]?\d{1,4})\s*,\s*([+-]?\d{1,4})\s*\)?")


@operation(kind="record")
def upsert_map(
    notebook: NotebookView,
    coordinate: Annotated[str, Field(description="x,y of the place, for example 4,-7")],
    description: Annotated[str, Field(description="What is there, in a few words")],
) -> MemoryResult:
    """Set the one line of map.md that describes the place x,y."""
    place = _COORDINATE.fullmatch(coordinate.strip())
    if place is None:
        return refused(f"{coordinate[:40]!r} is no place: write two whole numbers, such as 4,-7.")
    return notebook.upsert("map.md", f"{int(place[1])},{int(place[2])}", " ".join(description.split()))
