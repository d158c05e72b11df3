"""The PyPI package `crafter` made a function of seed and actions alone, and cheap: it draws pictures only when asked.

Four parts of the package prevent that and are overridden here; every rule of the game stays the package's.
- A chunk's objects are a set hashed by address, and creatures to despawn are picked from it: now insertion-ordered.
- Each step draws a picture, and drawing in the dark takes noise from the world's own random numbers: now the numbers
  are taken without the picture, as many as BALROG's two pictures of 256 × 256 per step take: episodes equal its own.
- Each step visits every object there ever was: now only those near enough to be moved.
- Land is made of noise that opensimplex looks up in NumPy arrays, one number at a time: now in lists, the same numbers
  in a seventh of the time.
"""

from collections import defaultdict
from copy import deepcopy
from functools import cache, lru_cache
from types import FunctionType, SimpleNamespace
from typing import Any

import numpy as np
import opensimplex
from crafter import constants, engine, objects, worldgen
from crafter import env as package
from numpy.typing import NDArray
from opensimplex import internals

from worlds.crafter_text import Window, window

ACHIEVEMENTS: tuple[str, ...] = tuple(constants.achievements)
ACTIONS: tuple[str, ...] = tuple(constants.actions)

_AREA = (64, 64)
_CHUNK = (12, 12)
_GRID = np.array((9, 9))
_SIZE = np.array((256, 256))
_LIVE_WITHIN = 18
"""Only objects nearer to the player than this many steps are moved: twice the view, the package's own rule."""
_DARK = 0.5
"""Below this daylight a picture has noise."""
_NOISE = (12, 2 * 252 * 196 // 12)
"""(draws, numbers each) of two pictures: one per pixel of 9 × 7 cells of 28 × 28, in parts a CPU's cache holds."""
_KINDS: dict[type, int] = {
    kind: 1 + len(constants.materials) + i
    for i, kind in enumerate(
        (objects.Player, objects.Cow, objects.Zombie, objects.Skeleton, objects.Arrow, objects.Plant)
    )
}


class _Chunk(dict[Any, None]):
    """A chunk's objects: a set in insertion order."""

    def add(self, item: Any) -> None:
        self[item] = None

    def remove(self, item: Any) -> None:
        del self[item]


class _World(engine.World):  # type: ignore[misc]  # the package is untyped
    """The package's world with ordered chunks, which offers a step only the objects it can move."""

    player: Any
    _chunks: defaultdict[tuple[int, ...], _Chunk]

    def reset(self, seed: int | None = None) -> None:
        super().reset(seed)
        self._chunks = defaultdict(_Chunk)

    @property
    def objects(self) -> list[Any]:
        """Objects near the player, oldest first. The player, who moves before the others, may come one step nearer."""
        x, y = self.player.pos.tolist()
        west, north = max(0, x - _LIVE_WITHIN), max(0, y - _LIVE_WITHIN)
        indices = self._obj_map[west : x + _LIVE_WITHIN + 1, north : y + _LIVE_WITHIN + 1]
        return [self._objects[index] for index in np.sort(indices[indices > 0]).tolist()]


class Noise(opensimplex.OpenSimplex):  # type: ignore[misc]
    """OpenSimplex with its tables as lists."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        gradients = internals.GRADIENTS3.tolist()
        self._tables = self._perm.tolist(), [gradients[at : at + 3] for at in self._perm_grad_index3.tolist()]

    def noise3(self, x: float, y: float, z: float) -> float:
        """The noise at a place, bit for bit the package's."""
        value: float = _noise3(x, y, z, *self._tables)
        return value


def _extrapolate3(
    perm: list[int], gradients: list[list[int]], x: int, y: int, z: int, dx: float, dy: float, dz: float
) -> float:
    g1, g2, g3 = gradients[(perm[(perm[x & 255] + y) & 255] + z) & 255]
    return g1 * dx + g2 * dy + g3 * dz


_noise3 = FunctionType(
    getattr(internals._noise3, "py_func", internals._noise3).__code__,  # numba's, where it is installed, has it inside
    {**vars(internals), "_extrapolate3": _extrapolate3},
)
"""opensimplex's own function, which looks its gradients up by ours."""


class _Scene:
    """A world as a picture needs it: every object, and random numbers of its own."""

    def __init__(self, world: _World) -> None:
        self.area = world.area
        self.daylight = world.daylight
        self.objects = [item for item in world._objects if item]
        self.random = deepcopy(world.random)
        self._world = world

    def __getitem__(self, pos: Any) -> Any:
        return self._world[pos]


class CrafterEngine(package.Env):  # type: ignore[misc]
    """One episode of Crafter at its start; `start` is the quick way to get one."""

    def __init__(self, seed: int) -> None:
        # Not the package's constructor: it loads every picture for every episode. Its seed is that of an environment's
        # first episode, and no step limit is set: limits are the world's.
        self._area, self._view, self._size = _AREA, _GRID, _SIZE
        self._seed, self._episode, self._reward, self._length = seed, 0, True, None
        self._world = _World(_AREA, constants.materials, _CHUNK)
        worldgen.opensimplex = SimpleNamespace(OpenSimplex=Noise)
        self.reset()
        self._world.player = self._player
        self.step(0)  # BALROG's hidden first step

    @classmethod
    def start(cls, seed: int) -> "CrafterEngine":
        """A new episode of `seed`. Land that was made before in this process is copied, a hundred times quicker."""
        return deepcopy(_pristine(seed))

    @property
    def player(self) -> Any:
        """The package's player: pos, facing, inventory, achievements, sleeping."""
        return self._player

    @property
    def daylight(self) -> float:
        """1 at noon, near 0 at midnight."""
        return float(self._world.daylight)

    def seen(self) -> Window:
        """Ids around the player, [column][row]."""
        part = window(*self._player.pos.tolist())
        columns: list[list[int]] = self._world._mat_map[part].tolist()
        indices = self._world._obj_map[part]
        for column, row in np.argwhere(indices).tolist():
            columns[column][row] = _KINDS[type(self._world._objects[indices[column, row]])]
        return columns

    def map(self) -> NDArray[np.int64]:
        """Ids on the whole map, [column][row]."""
        ids: NDArray[np.int64] = self._world._mat_map.astype(np.int64)
        indices = self._world._obj_map
        for column, row in np.argwhere(indices).tolist():
            ids[column, row] = _KINDS[type(self._world._objects[indices[column, row]])]
        return ids

    def frame(self) -> NDArray[np.uint8]:
        """The present state as RGB, shape (256, 256, 3)."""
        view = engine.LocalView(_Scene(self._world), _textures(), _GRID - (0, 2))
        self._local_view, self._item_view = view, engine.ItemView(_textures(), (9, 2))
        picture: NDArray[np.uint8] = self.render()
        view._world = None  # a cache inside the package keeps views alive, and would keep worlds
        return picture

    def _sem_view(self) -> None:
        """The package's map of the whole area, which is not needed: it would be made at every step."""

    def _obs(self) -> None:
        if self._world.daylight < _DARK:
            draws, numbers = _NOISE
            for _ in range(draws):
                self._world.random.random_sample(numbers)


@lru_cache(maxsize=64)  # about 0.1 MB each; an evaluation repeats its seeds, and land takes 0.1 s to make
def _pristine(seed: int) -> CrafterEngine:
    return CrafterEngine(seed)


@cache
def _textures() -> Any:
    return engine.Textures(constants.root / "assets")
