import random
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boxoban_levels
import pytest

from worlds.boxoban import BadLevels, MissingLevels, install, level_files, level_of, levels_folder, read_levels

SHARED = Path(__file__).parents[3] / "shared" / "boxoban-levels"
BOTH = ["hard: 4 levels", "medium: 3 levels"]


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's data folder with nothing in it."""
    folder = tmp_path / "data"
    monkeypatch.setenv("AUTOMEM_DATA", str(folder))
    return folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return boxoban_levels.write_levels(tmp_path / "boxoban-levels-master")


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Silent, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def zipped(source: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(source.rglob("*.txt")):
            archive.write(file, file.relative_to(source.parent))
        archive.writestr("boxoban-levels-master/README.md", "levels")
        archive.writestr("boxoban-levels-master/unfiltered/train/000.txt", "; 0\nnot asked for\n\n")
        archive.writestr("../../hard/escaped.sh", "#!/bin/sh")
    return path


def test_levels_come_from_a_folder(source: Path, data: Path) -> None:
    assert install(str(source)) == [*BOTH, f"installed in {levels_folder()}"]
    assert [path.name for path in level_files("hard")] == ["000.txt", "001.txt"]
    assert sorted(path.name for path in data.iterdir()) == ["boxoban-levels"]


def test_levels_come_from_an_archive_and_nothing_else_does(source: Path, tmp_path: Path, data: Path) -> None:
    assert install(str(zipped(source, tmp_path / "levels.zip")))[:-1] == BOTH
    files = {path.relative_to(data).as_posix() for path in data.rglob("*") if path.is_file()}
    assert files == {f"boxoban-levels/{name}" for name in ("hard/000.txt", "hard/001.txt", "medium/train/000.txt")}
    with tarfile.open(tmp_path / "levels.tar.gz", "w:gz") as archive:
        archive.add(source / "hard", "hard")
    assert install(str(tmp_path / "levels.tar.gz"))[0] == "hard: 4 levels"
    assert len(level_files("medium")) == 1  # the set that was not in it stays


def test_levels_come_from_a_url(source: Path, tmp_path: Path, served: str) -> None:
    zipped(source, tmp_path / "levels.zip")
    assert install(f"{served}/levels.zip")[:-1] == BOTH
    with pytest.raises(OSError, match="404"):
        install(f"{served}/nothing.zip")
    with pytest.raises(BadLevels, match="no web address"):
        install(f"file://{tmp_path}/levels.zip")


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("hard/000.txt", "no levels at all\n", "level 0 is not '; number'"),
        ("hard/000.txt", "; 0\n####\n#@.#\n\n; 1\n#$ #\n\n", "level 1 is not"),
        ("hard/000.txt", "; 0\n#é@#\n", "ascii"),
        ("other/000.txt", "; 0\n#@.#\n", "has no levels: expected files like hard/000.txt"),
    ],
)
def test_what_has_no_levels_is_refused_and_the_old_ones_stay(
    name: str, content: str, sentence: str, source: Path, tmp_path: Path
) -> None:
    install(str(source))
    bad = tmp_path / "bad" / name
    bad.parent.mkdir(parents=True)
    bad.write_text(content, encoding="utf-8")
    with pytest.raises(BadLevels, match=sentence):
        install(str(tmp_path / "bad"))
    assert len(level_files("hard")) == 2
    (tmp_path / "bad.zip").write_bytes(b"no archive")
    with pytest.raises(BadLevels, match="neither a folder nor"):
        install(str(tmp_path / "bad.zip"))
    with pytest.raises(BadLevels, match="does not exist"):
        install(str(tmp_path / "nowhere"))


def test_a_seed_means_what_pythons_choice_would_take(source: Path) -> None:
    install(str(source))
    levels = [level for path in level_files("hard") for level in read_levels(path.read_text())]
    for seed in range(20):
        assert level_of("hard", seed) == random.Random(seed).choice(levels)


def test_levels_installed_anew_are_taken_up(source: Path) -> None:
    install(str(source))
    level_of("medium", 1)
    (source / "medium" / "train" / "000.txt").write_text(boxoban_levels.ONE_PUSH)
    install(str(source))
    assert {level_of("medium", seed) for seed in range(9)} == {"##########\n##########\n####@$.###\n##########"}


def test_missing_levels_name_the_folder_and_the_command(data: Path) -> None:
    with pytest.raises(MissingLevels, match="automem worlds boxoban --from https://github") as no:
        level_of("hard", 1)
    assert str(data / "boxoban-levels" / "hard") in str(no.value)


def test_the_data_folder_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("AUTOMEM_DATA")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert levels_folder() == tmp_path / "automem" / "boxoban-levels"
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert levels_folder() == tmp_path / ".local" / "share" / "automem" / "boxoban-levels"


@pytest.mark.skipif(not SHARED.exists(), reason="no published levels beside this checkout")
def test_published_levels_are_read() -> None:
    assert [line.partition(":")[0] for line in install(str(SHARED))[:-1]] == ["hard", "medium"]
    for which in ("hard", "medium"):
        rows = level_of(which, 42).split("\n")
        assert [len(row) for row in rows] == [10] * 10
        assert "".join(rows).count("$") == "".join(rows).count(".") == 4
