from collections.abc import Iterator

import boxoban_levels
import pytest


@pytest.fixture(autouse=True, scope="session")
def levels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Every world can be made: MiniHack's Boxoban tasks get levels of our own."""
    folder = tmp_path_factory.mktemp("automem")
    boxoban_levels.write_levels(folder / "boxoban-levels")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTOMEM_DATA", str(folder))
        yield
