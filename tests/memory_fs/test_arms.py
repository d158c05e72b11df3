"""Notebooks of the control arms."""

from __future__ import annotations

from pathlib import Path

from memory_fs import Limits, OneFile, OthersNotebook, RankedLog


def test_a_ranked_search_shows_what_says_most_of_the_words_first(tmp_path: Path) -> None:
    with RankedLog(tmp_path / "m", Limits(), journal=tmp_path / "j", file="log.md") as log:
        for text in ("a red door", "the red\n note says 123", "nothing", "a red door, again", *["a wall"] * 20):
            log.log(f"{log.revision}: {text}")
        found = log.search("any.md", "Red note!")
        assert (found.file, found.total, found.lines[0]) == ("log.md", 3, 2)
        assert found.text.startswith(
            "3 lines of log.md on 'Red note!'; the best 3, best first:\n2: 1: the red note says 123"
        )
        assert len(log.search("log.md", "wall").lines) == 10
        assert log.search("log.md", "blue").outcome == "empty"
        assert log.search("log.md", "").outcome == "empty"


def test_a_full_log_loses_its_older_half(tmp_path: Path) -> None:
    with RankedLog(tmp_path / "m", Limits(max_file_lines=10), journal=tmp_path / "j", file="log.md") as log:
        for number in range(11):
            log.log(f"step {number}")
        assert log.at(log.revision)["log.md"] == "".join(f"step {number}\n" for number in range(5, 11))


def test_a_notebook_of_one_file_answers_for_every_name(tmp_path: Path) -> None:
    with OneFile(tmp_path / "m", Limits(), journal=tmp_path / "j", file="truth.md") as notebook:
        notebook.seed({"truth.md": "the door is red\n"})
        assert notebook.search("codes.md", "red").file == "truth.md"
        assert notebook.read("../../etc/passwd").text.endswith("1: the door is red")
        assert notebook.seeded == 1


def test_recalls_answer_from_the_others_and_show_as_many_lines_as_there_are(tmp_path: Path) -> None:
    others = {"a.md": "one\ntwo\nthree\n", "b.md": "four"}
    with OthersNotebook(tmp_path / "m", Limits(), journal=tmp_path / "j", others=others) as notebook:
        assert (notebook.seeded, notebook.read("a.md").outcome) == (0, "missing")
        notebook.append("a.md", "mine\nmy own")
        notebook.append("c.md", "1\n2\n3\n4\n5\n6")
        read = notebook.read("a.md")
        assert (read.text, read.lines, read.provenance) == ("a.md, 2 lines:\n1: one\n2: two", (), ())
        assert notebook.search("a.md", "mine").outcome == "empty"
        assert notebook.tail("c.md", 2).text.endswith("5: one\n6: two")
        assert notebook.at(2)["a.md"] == "mine\nmy own\n"


def test_an_empty_other_notebook_answers_nothing(tmp_path: Path) -> None:
    with OthersNotebook(tmp_path / "m", Limits(), journal=tmp_path / "j", others={}) as notebook:
        notebook.append("a.md", "mine")
        assert notebook.read("a.md").total == 0
