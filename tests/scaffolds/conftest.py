"""A scaffold to break: a copy of a shipped one outside the repository, with edits; and who runs its code."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from foreign_scaffold import foreign_scaffold, why_not_contained

from scaffolds import SHIPPED, HooksRunner, Scaffold
from scaffolds.containment import Bounds

Edit = str | tuple[str, str] | None
"""A whole new text, (old, new) to replace in the text that stands, or None to delete the file."""
MakeScaffold = Callable[..., Path]


@pytest.fixture
def make_scaffold(tmp_path: Path) -> MakeScaffold:
    """Makes a copy of the shipped scaffold `base` with `edits`, by relative file name."""

    def make(edits: Mapping[str, Edit] | None = None, base: str = "crafter/v0", name: str = "mine") -> Path:
        folder = tmp_path / name
        shutil.copytree(SHIPPED / base, folder, ignore=shutil.ignore_patterns("__pycache__"))
        for file, edit in (edits or {}).items():
            path = folder / file
            if edit is None:
                path.unlink()
                continue
            if isinstance(edit, tuple):
                text = path.read_text()
                assert text.count(edit[0]) == 1, f"{edit[0]!r} must stand once in {file}"
                edit = text.replace(*edit)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(edit)
        return folder

    return make


@pytest.fixture
def needs_containment() -> None:
    """Skips the test, with the reason, where code cannot be contained."""
    if why := why_not_contained():
        pytest.skip(why)


@pytest.fixture(params=["direct", "contained"])
def trusted(request: pytest.FixtureRequest) -> bool:
    """Both runners in turn: code that is trusted runs directly, other code contained."""
    if request.param == "contained":
        request.getfixturevalue("needs_containment")
    return bool(request.param == "direct")


@pytest.fixture
def begin() -> Iterator[Callable[..., HooksRunner]]:
    """Begins an episode of a scaffold: its hooks, closed when the test is over."""
    begun: list[HooksRunner] = []

    def begin(scaffold: Scaffold, **bounds: float) -> HooksRunner:
        hooks = scaffold.hooks(Bounds(**bounds))  # type: ignore[arg-type]
        assert hooks is not None
        begun.append(hooks)
        return hooks

    yield begin
    for hooks in begun:
        hooks.close()


@pytest.fixture
def attack(
    make_scaffold: MakeScaffold, begin: Callable[..., HooksRunner], needs_containment: None
) -> Callable[..., HooksRunner]:
    """Begins an episode whose contained hooks have the given methods and may write strategy.md."""

    def make(*methods: str, name: str = "attacker", **bounds: float) -> HooksRunner:
        lines = "".join(f"    {line}\n" for method in methods for line in method.split("\n"))
        if "def maintain" not in lines:
            lines += "    def maintain(self, view, notebook): ...\n"
        toml = ("[files.\"strategy.md\"]\n", "[files.\"strategy.md\"]\nmaintained_by = \"hooks\"\n")  # fmt: skip
        folder = make_scaffold({"hooks.py": f"class Hooks:\n{lines}", "scaffold.toml": toml}, name=name)
        return begin(Scaffold.load(folder), **{"answer_s": 1.0, "memory_mb": 128, **bounds})

    return make


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HooksRunner]:
    """Another contained episode, innocent, that goes on while those of the tests are attacked. It says one thing."""
    if why := why_not_contained():
        pytest.skip(why)
    hooks = Scaffold.load(foreign_scaffold(tmp_path_factory.mktemp("other") / "v1")).hooks()
    assert hooks is not None
    yield hooks
    hooks.close()
