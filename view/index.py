"""The index: every operation and notebook line of all episodes in one SQLite file, kept up to date in the background.

It lies in the folder that is shown and holds nothing that the runs do not: it may be deleted at any time. An episode is
read once; one that is being played is read on. Of each, the course of its progression is kept, too.

All that is asked for is a term of the full-text index, words as well as outcomes and files, so that a search takes
milliseconds however much it has to leave out.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphs.settings import SettingsError
from memory_fs.file_lock import InUse, lock
from memory_fs.journal import NotebookFailure
from traces import EpisodeFolder, TraceFailure
from view.library import Library, ShownRun, kind_of, linked_file
from view.scan import Item, Scan, digest, term
from view.traffic import Traffic

FILE = ".automem-view.sqlite3"
VERSION = 1
LOOK_S = 2.0
"""Seconds between two looks for new episodes and steps; ten times as long as a look takes, if that is more."""
QUIET_S = 60.0
"""Seconds without a step after which an episode without a result is read to its end; played on, it is read again."""
MOST = 200
"""Results of one answer."""
COUNTED = 10_000
"""Results that are counted; there are more than so many."""

_SCHEMA = f"""
PRAGMA user_version = {VERSION};
CREATE TABLE episode (id INTEGER PRIMARY KEY, run TEXT, world TEXT, task TEXT, seed INTEGER, inode INTEGER,
  size INTEGER, steps INTEGER, curve TEXT, UNIQUE (run, world, task, seed));
CREATE TABLE item (id INTEGER PRIMARY KEY, episode INTEGER, step INTEGER, routine TEXT, operation TEXT, outcome TEXT,
  file TEXT, oldest INTEGER, reward REAL, gain REAL);
CREATE INDEX item_episode ON item (episode);
CREATE VIRTUAL TABLE words USING fts5 (text, terms, tokenize = "unicode61 tokenchars '_'");
"""


@dataclass(frozen=True, slots=True)
class Query:
    """What to look for; all that is given must be met."""

    text: str = ""
    kind: str = ""
    """"operation" or "line"."""
    operation: str = ""
    outcome: str = ""
    """One of the notebook's, or "redundant": a write that added nothing."""
    file: str = ""
    run: str = ""
    origin: int = 0
    """A step: recalls of lines that it wrote."""
    age: int = 0
    """Steps at least between the writing of the oldest line and its recall."""
    rewarded: bool = False
    """Followed by a reward within AFTER steps."""

    def match(self) -> str:
        """The expression of the full-text index; empty for a query that leaves nothing out."""
        words = [f'text : "{word}"*' for word in re.findall(r"\w+", self.text)]
        given = (("k", self.kind), ("p", self.operation), ("o", self.outcome), ("f", self.file), ("n", self.run))
        terms = [f'terms : "{term(letter, value)}"' for letter, value in given if value]
        terms += [f'terms : "s{self.origin}"'] if self.origin else []
        terms += ['terms : "rewarded"'] if self.rewarded else []
        return " AND ".join([*words, *terms])


class Index:
    """The index of a library. `start` keeps it up to date; searches work meanwhile, on what there is."""

    def __init__(self, library: Library, traffic: Traffic | None = None) -> None:
        """`traffic`: of the server whose requests go first."""
        self._library = library
        self._traffic = traffic or Traffic()
        self.path = _place(library.root)
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._scans: dict[tuple[str, str, str, int], Scan] = {}
        self.waiting = 0
        """Episodes that are still to be read."""
        self.problem = ""
        """Why it is not kept up to date, in a sentence."""

    def start(self) -> None:
        """Begin to keep it up to date, unless another server of the same folder does."""
        self._thread = threading.Thread(target=self._work, daemon=True, name="index")
        self._thread.start()

    def close(self) -> None:
        """Stop, after the step that is being read."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def search(self, query: Query) -> dict[str, Any]:
        """The newest results, and how many there are. SettingsError for a query without anything to look for."""
        match = query.match()
        if not match:
            raise SettingsError("Say what to look for: a word, an outcome, a file.")
        began = time.perf_counter()
        with closing(self._reading()) as db:
            if not db:
                return {"results": [], "count": 0, "more": False, "state": self.state(), "seconds": 0.0}
            age = " AND item.oldest >= 0 AND item.step - item.oldest >= ?" if query.age else ""
            given = [match, *([query.age] if query.age else [])]
            join = "words JOIN item ON item.id = words.rowid"
            rows = db.execute(
                "SELECT item.step, routine, operation, outcome, file, oldest, reward, gain, "
                f"substr(words.text, 1, 400), run, world, task, seed FROM {join} "
                "JOIN episode ON episode.id = item.episode "
                f"WHERE words MATCH ?{age} ORDER BY words.rowid DESC LIMIT {MOST}",
                given,
            ).fetchall()
            of = join if age else "words"
            (count,) = db.execute(
                f"SELECT count(*) FROM (SELECT 1 FROM {of} WHERE words MATCH ?{age} LIMIT {COUNTED + 1})", given
            ).fetchone()
        names = ("step", "routine", "operation", "outcome", "file", "oldest", "reward", "gain", "text")
        results = [dict(zip((*names, "run", "world", "task", "seed"), row, strict=True)) for row in rows]
        found = {"results": results, "count": min(count, COUNTED), "more": count > COUNTED, "state": self.state()}
        return {**found, "seconds": round(time.perf_counter() - began, 4)}

    def curves(self, run: str) -> dict[tuple[str, str, int], list[list[float]]]:
        """By world, task and seed, the course of progression of the episodes of a run that were read."""
        with closing(self._reading()) as db:
            rows = db.execute("SELECT world, task, seed, curve FROM episode WHERE run = ?", [run]) if db else ()
            return {(world, task, seed): json.loads(curve) for world, task, seed, curve in rows}

    def state(self) -> dict[str, Any]:
        """How many episodes and items there are, and how many episodes are still to be read."""
        with closing(self._reading()) as db:
            if not db:
                return {"episodes": 0, "items": 0, "waiting": self.waiting, "problem": self.problem}
            (episodes,) = db.execute("SELECT count(*) FROM episode").fetchone()
            (items,) = db.execute("SELECT coalesce(max(id), 0) FROM item").fetchone()
        return {"episodes": episodes, "items": items, "waiting": self.waiting, "problem": self.problem}

    def update(self) -> None:
        """Read what has been played since, once."""
        with closing(self._writing()) as db:
            self._look(db)

    def _reading(self) -> Any:
        if not self.path.exists():
            return _Nothing()
        return sqlite3.connect(f"file:{self.path}?mode=ro", uri=True, timeout=5.0)

    def _writing(self) -> sqlite3.Connection:
        db = sqlite3.connect(self.path, isolation_level=None, timeout=30.0, check_same_thread=False)
        if db.execute("PRAGMA user_version").fetchone()[0] != VERSION:
            db.close()
            for end in ("", "-wal", "-shm"):
                Path(f"{self.path}{end}").unlink(missing_ok=True)
            db = sqlite3.connect(self.path, isolation_level=None, timeout=30.0, check_same_thread=False)
            db.execute("PRAGMA journal_mode = WAL")
            db.executescript(_SCHEMA)
        db.execute("PRAGMA synchronous = OFF")  # what a power cut takes is read again
        return db

    def _work(self) -> None:
        descriptor = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            lock(descriptor, self.path)
            with closing(self._writing()) as db:
                while not self._stopped.is_set():
                    began = time.monotonic()
                    with suppress(OSError):  # a run was deleted while it was looked at
                        self._look(db)
                    self._stopped.wait(max(LOOK_S, 10 * (time.monotonic() - began)))
        except InUse:
            pass  # another server of this folder keeps it up to date
        except sqlite3.Error as error:
            self.problem = f"The index {self.path} cannot be written ({error}): free some space, or delete it."
        finally:
            os.close(descriptor)

    def _look(self, db: sqlite3.Connection) -> None:
        """Bring it up to date with what there is now."""
        rows = db.execute("SELECT run, world, task, seed, id, inode, size FROM episode")
        known = {tuple(row[:4]): row[4:] for row in rows}
        changed, there = [], set()
        for run in self._library.runs():
            if run.kind != "evaluation" or linked_file(run.path) is not None:
                continue
            for folder in ShownRun(run.path).episodes():
                world, task, seed = folder.path.parts[-3:]
                key = (run.name, world, task, int(seed.removeprefix("seed-")))
                there.add(key)
                with suppress(OSError):
                    facts = folder.steps.stat()
                    if known.get(key, (0, 0, 0))[1:] != (facts.st_ino, facts.st_size):
                        changed.append((facts.st_mtime, key, folder, facts))
        for key in known.keys() - there:
            _forget(db, known[key][0])
            self._scans.pop(key, None)
        self.waiting = len(changed)
        for _, key, folder, facts in sorted(changed, key=lambda one: one[0], reverse=True):
            if self._stopped.is_set():
                return
            self._read(db, key, folder, facts, known.get(key))
            self.waiting -= 1

    def _read(self, db: sqlite3.Connection, key: Any, folder: EpisodeFolder, facts: os.stat_result, row: Any) -> None:
        """Read an episode on, or again where it is another one than was read."""
        scan = self._scans.get(key)
        if scan is None or row is None or row[1] != facts.st_ino or row[2] > facts.st_size:
            if row is not None:
                _forget(db, row[0])
            cursor = db.execute(
                "INSERT INTO episode (run, world, task, seed, inode, size, steps, curve) VALUES (?,?,?,?,?,0,0,'[]')",
                [*key, facts.st_ino],
            )
            scan = self._scans[key] = Scan(int(cursor.lastrowid or 0), key[0], folder)
        ended = any(path.exists() for path in (folder.result, folder.failure, folder.limited))
        over = ended or time.time() - facts.st_mtime > QUIET_S
        with suppress(TraceFailure, NotebookFailure):
            for found in scan.read(over):
                db.execute("BEGIN")
                _insert(db, found)
                scan.write(db, 0)
                db.execute("COMMIT")
                self._traffic.give_way(self._stopped)
                if self._stopped.wait(0.001):
                    return
        scan.write(db, facts.st_size)
        if over:
            del self._scans[key]


class _Nothing:
    """Instead of a connection to an index that is not there yet."""

    def __bool__(self) -> bool:
        return False

    def close(self) -> None:
        pass


def _insert(db: sqlite3.Connection, found: list[Item]) -> None:
    (last,) = db.execute("SELECT coalesce(max(id), 0) FROM item").fetchone()
    db.executemany(
        "INSERT INTO item VALUES (?,?,?,?,?,?,?,?,?,?)", ((last + at, *row) for at, (row, _, _) in enumerate(found, 1))
    )
    db.executemany(
        "INSERT INTO words (rowid, text, terms) VALUES (?,?,?)",
        ((last + at, text, terms) for at, (_, text, terms) in enumerate(found, 1)),
    )


def _forget(db: sqlite3.Connection, episode: int) -> None:
    db.execute("BEGIN")
    db.execute("DELETE FROM words WHERE rowid IN (SELECT id FROM item WHERE episode = ?)", [episode])
    db.execute("DELETE FROM item WHERE episode = ?", [episode])
    db.execute("DELETE FROM episode WHERE id = ?", [episode])
    db.execute("COMMIT")


def _place(root: Path) -> Path:
    """Where the index lies: in the folder. With the system's temporary files for one that is a run or not writable."""
    if os.access(root, os.W_OK) and kind_of(root) is None:
        return root / FILE
    return Path(tempfile.gettempdir()) / f"automem-view-{os.getuid()}-{digest(str(root))}.sqlite3"


def query_of(asked: Mapping[str, str]) -> Query:
    """The query of an address. ValueError where a number is none."""
    return Query(
        text=asked.get("q", "")[:200],
        kind=asked.get("kind", "")[:200],
        operation=asked.get("operation", "")[:200],
        outcome=asked.get("outcome", "")[:200],
        file=asked.get("file", "")[:200],
        run=asked.get("run", "")[:200],
        origin=int(asked.get("origin") or 0),
        age=int(asked.get("age") or 0),
        rewarded=asked.get("rewarded") == "1",
    )
