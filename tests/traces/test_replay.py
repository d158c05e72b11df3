"""What a replay page is made of: exact, in bounded pieces, and with nothing in it that could become markup."""

from __future__ import annotations

import json
import re
import zlib
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from replay_pages import page_of, scribbled, synthetic

from memory_fs import files_at
from traces import EpisodeFolder, TraceFailure, TraceReader, TraceWriter
from traces.records import StepRecord
from traces.replay import MOST, Shown, write_replay
from traces.replay_arcs import AGE, arcs
from traces.replay_blocks import TextTable, packed, written
from traces.replay_timeline import RECENT, Gain, Recalled


def blocks_of(page: Path) -> dict[str, str]:
    """The data blocks of a page by id."""
    return dict(re.findall(r'<script type="application/octet-stream" id="([^"]+)">([^<]*)</script>', page.read_text()))


def unpacked(block: str) -> Any:
    return json.loads(zlib.decompress(b64decode(block), -15))


def text(piece: Any, number: int) -> str:
    at, lines = 0, []
    for difference in piece["texts"][number]:
        at += difference
        lines.append(piece["lines"][at])
    return "\n".join(lines)


@given(st.lists(st.text(st.sampled_from("ab\n<|\ud800 "), max_size=12)))
def test_texts_come_back_as_they_were(texts: list[str]) -> None:
    table = TextTable()
    numbers = [table.add(one) for one in texts]
    piece = unpacked(written(packed(table.plain())))
    assert [text(piece, number) for number in numbers] == texts
    assert len(piece["texts"]) == len(set(texts))


def test_every_message_of_every_step_is_in_the_page_exactly(tmp_path: Path) -> None:
    episode = synthetic(tmp_path / "episode", 120)
    blocks = blocks_of(page_of(tmp_path, episode))
    head = unpacked(blocks["head"])["episodes"][0]
    firsts = head["streams"]["steps"]["firsts"]
    with TraceReader(episode) as reader:
        for record in reader:
            number = max(at for at, first in enumerate(firsts) if first <= record.step)
            piece = unpacked(blocks[f"0-steps-{number}"])
            step = piece["steps"][record.step - firsts[number]]
            said = [[(one[0], text(piece, one[1])) for one in talk["messages"]] for talk in step["talks"]]
            told = [[(one["role"], one["content"]) for one in talk.messages] for talk in record.conversations]
            assert said == told
            assert [talk["prompts"] for talk in step["talks"]] == [[2, 4], [2, 4]]
            assert [text(piece, one) for one in step["seen"]] == list(record.observation.values())


def test_the_notebook_s_pieces_tell_what_it_held_and_never_grow_past_what_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("traces.replay_notebook.CHARACTERS", 300)
    episode = scribbled(tmp_path / "episode", 80)
    blocks = blocks_of(page_of(tmp_path, episode))
    firsts = unpacked(blocks["head"])["episodes"][0]["streams"]["notebook"]["firsts"]
    assert len(firsts) > 5
    for number, revision in enumerate(firsts):
        held = unpacked(blocks[f"0-notebook-{number}"])["files"]
        assert {name: lines for name, (lines, _) in held.items()} == {
            name: whole.split("\n")[:-1] for name, whole in files_at(episode.journal, revision).items()
        }


def test_a_page_of_two_thousand_steps_stays_small(tmp_path: Path) -> None:
    page = page_of(tmp_path, synthetic(tmp_path / "episode", 2_000))
    assert page.stat().st_size < 5_000_000  # frames, of which there are none here, have 8 MB, 10.7 MB in base64


def test_nothing_a_model_writes_can_leave_its_data_block(tmp_path: Path) -> None:
    hostile = '</script><script>alert(1)</script><!-- <img src=x onerror="alert(1)"> {{ 7 * 7 }} {% for %}'
    episode = EpisodeFolder(tmp_path / "episode")
    episode.create()
    with TraceWriter(episode) as writer:
        writer.write(StepRecord(1, {"long": hostile, "short": hostile}, hostile, chosen=hostile, notices=[hostile]))
    path = tmp_path / "page.html"
    write_replay(path, hostile, [Shown(episode, hostile, {hostile: hostile})], lambda _: None)
    page = path.read_text()
    assert "alert" in page  # in the title, escaped
    assert not re.search(r"<script>alert|<img", page)
    assert page.count("</script>") == page.count("<script")


def test_the_page_forbids_everything_but_its_own_script_and_style(tmp_path: Path) -> None:
    page = page_of(tmp_path, scribbled(tmp_path / "episode", 3)).read_text()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    rules = dict(rule.strip().split(" ", 1) for rule in policy[1].replace("&#39;", "'").split(";"))
    assert rules["default-src"] == "'none'"
    assert re.fullmatch(r"'sha256-[A-Za-z0-9+/]{43}='", rules["script-src"])
    addresses = set(re.findall(r"https?://[^\s'\"]*", page))
    assert addresses == {"http://www.w3.org/2000/svg"}  # a name, not a place


def test_the_same_episode_gives_the_same_page(tmp_path: Path) -> None:
    episode = scribbled(tmp_path / "episode", 30)
    assert page_of(tmp_path, episode, name="one").read_bytes() == page_of(tmp_path, episode, name="two").read_bytes()


@pytest.mark.parametrize("count", [0, MOST + 1])
def test_a_page_shows_one_to_three_episodes(tmp_path: Path, count: int) -> None:
    with pytest.raises(ValueError, match="1 to 3"):
        write_replay(tmp_path / "page", "t", [Shown(EpisodeFolder(tmp_path), "a", {})] * count, lambda _: None)


def test_an_episode_that_cannot_be_read_leaves_no_page_behind(tmp_path: Path) -> None:
    with pytest.raises(TraceFailure, match="does not exist"):
        page_of(tmp_path, EpisodeFolder(tmp_path / "nowhere"))
    assert list(tmp_path.iterdir()) == []


def recalled(step: int, written_at: int, lines: int = 10) -> Recalled:
    provenance = ((written_at, written_at),) + ((step, step),) * (lines - 1)
    return Recalled(step, "map.md", "read", step, tuple(range(1, lines + 1)), provenance)


def gain(step: int, what: str, *recalls: Recalled) -> Gain:
    return Gain(step, 1.0, "Do", (what,), recalls)


def test_an_arc_leads_from_an_old_line_about_what_was_gained() -> None:
    old, young = recalled(100, 31), recalled(101, 101 - AGE + 1)
    texts = {old: ["diamond 16,26"] + ["noise"] * 9, young: ["diamond is near"] + ["noise"] * 9}
    (found,) = arcs([gain(103, "collect_diamond", old, young)], texts)
    assert (found.written, found.recalled, found.gained) == (31, 100, 103)
    assert (found.text, found.what) == ("diamond 16,26", "collect_diamond")


def test_a_word_that_only_names_the_kind_of_gain_makes_no_arc() -> None:
    one, other = recalled(50, 4), recalled(90, 4)
    texts = {one: ["collect_sapling"] + ["noise"] * 9, other: ["collect_sapling"] + ["noise"] * 9}
    gains = [gain(50, "collect_coal", one), gain(90, "collect_iron", other)]
    assert arcs(gains, texts) == []


def test_a_line_that_was_asked_for_alone_makes_an_arc_whatever_it_says() -> None:
    one = recalled(60, 3, lines=1)
    (found,) = arcs([gain(60 + RECENT, "door", one)], {one: ["blue 3 3 3"]})
    assert found.text == "blue 3 3 3"
