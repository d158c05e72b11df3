"""`automem play --frames`: what the world looks like before each step, as a PNG file."""

from __future__ import annotations

from pathlib import Path

from traces import TraceFailure
from worlds.frame_image import png
from worlds.world import World


class FrameFiles:
    """Writes one file per moment: step-000001.png is what stood there when step 1 was to be played."""

    def __init__(self, folder: Path, *, tiles: bool) -> None:
        self._folder = folder
        self._tiles = tiles
        """Whether the world's own tiles are drawn, where it has any."""

    def write(self, world: World, step: int) -> None:
        """Draw the present moment. Raises TraceFailure where the disk does not take it."""
        tiles = world.tiles() if self._tiles else None
        path = self._folder / f"step-{step:06}.png"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            path.write_bytes(png(world.frame() if tiles is None else tiles))
        except OSError as error:
            raise TraceFailure(f"cannot write the frame {path}: {error.strerror or error}") from error
