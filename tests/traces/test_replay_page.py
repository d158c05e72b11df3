"""The replay page in a browser: what it shows at a step, and how one moves in it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest
from replay_pages import opened, page_of, scribbled, stands_at, synthetic
from synthetic_episode import SyntheticEpisode
from trace_files import effect_of

from memory_fs import files_at
from memory_fs.journal import records
from memory_fs.text import Text
from traces import EpisodeFolder, TraceReader, TraceWriter
from traces.effects import write_effect
from traces.records import StepRecord

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, EpisodeFolder]:
    """A page of one episode of 200 steps."""
    folder = tmp_path_factory.mktemp("long")
    episode = synthetic(folder / "episode", 200)
    write_effect(episode, effect_of(60, 2, low=-0.5, high=-0.25))
    write_effect(episode, effect_of(60, 2, low=-0.5, high=0.25, change="edit", text="another"))
    write_effect(episode, effect_of(60, 1, low=0.0, high=0.0, change="edit", text="nothing", kind="recall"))
    return page_of(folder, episode), episode


def record_of(episode: EpisodeFolder, step: int) -> StepRecord:
    with TraceReader(episode) as reader:
        return reader.step(step)


def test_a_step_shows_what_was_seen_said_done_and_noted(page: Page, long: tuple[Path, EpisodeFolder]) -> None:
    path, episode = long
    opened(page, path, "#step=120")
    step = record_of(episode, 120)
    log, plan = step.conversations
    assert page.locator(".seen .text").all_text_contents() == list(step.observation.values())
    assert page.locator(".bubble pre").all_text_contents() == [
        talk.messages[call.prompt_length]["content"] for talk in (log, plan) for call in talk.calls
    ]
    assert page.locator("mark.call").all_text_contents()[0].startswith("<|SEARCH|>actions_log.md|")
    assert [one.split()[-1] for one in page.locator(".operation .asked > .badge").all_text_contents()] == [
        one.outcome for one in (*log.operations, *plan.operations)
    ]
    assert page.locator(".page .added .said").text_content() == f"added: {log.operations[1].arguments['text']}"
    assert page.locator(".action b").text_content() == step.action
    assert page.locator("#step").input_value() == "120"


def test_what_the_model_thought_is_shown_on_demand(page: Page, tmp_path: Path) -> None:
    (record,) = SyntheticEpisode().records(1)
    talk = record.conversations[-1]
    thought = replace(talk, calls=[replace(talk.calls[0], thoughts="<think>first\n<b>then</b>"), *talk.calls[1:]])
    episode = EpisodeFolder(tmp_path / "episode")
    episode.create()
    with TraceWriter(episode) as writer:
        writer.write(replace(record, conversations=[thought]))
    opened(page, page_of(tmp_path, episode), "#step=1")
    assert page.locator(".thoughts").count() == 0
    page.get_by_text("what the model thought").click()
    page.wait_for_selector(".thoughts")
    assert page.locator(".thoughts").all_text_contents() == ["<think>first\n<b>then</b>"]


def test_a_measured_operation_shows_its_effect(page: Page, long: tuple[Path, EpisodeFolder]) -> None:
    opened(page, long[0], "#step=60")
    written = page.locator(".operation:has(.badge.write)")
    assert written.locator(".badge").all_text_contents() == [
        "✎ written",
        "without it −37.5 points [−50, −25]: helpful",
        "with another text −12.5 points [−50, +25]: undecided",
    ]
    recalled = page.locator(".operation:not(:has(.badge.write))").first
    assert "with another answer 0 points [0, 0]: no effect" in recalled.locator(".badge").all_text_contents()


def test_the_whole_prompt_is_shown_exactly_on_demand(page: Page, long: tuple[Path, EpisodeFolder]) -> None:
    path, episode = long
    opened(page, path, "#step=7")
    assert page.locator(".exact").count() == 0
    page.locator(".prompt summary").first.click()
    sent = record_of(episode, 7).conversations[0].prompt(0)
    page.wait_for_selector(".exact")
    assert page.locator(".exact").all_text_contents() == [message["content"] for message in sent]


def test_a_line_leads_to_the_step_that_wrote_it(page: Page, long: tuple[Path, EpisodeFolder]) -> None:
    path, _ = long
    opened(page, path, "#step=150")
    button = page.locator(".page .recalled button.source").first
    wrote = int(str(button.get_attribute("data-step")))
    assert wrote < 150
    line = page.locator(".page .recalled:has(button.source) .said").first.text_content()
    button.click()
    stands_at(page, wrote)
    assert page.locator(".page .added .said").text_content() == str(line).replace("recalled:", "added:")


def test_the_notebook_is_at_every_step_what_the_journal_says(page: Page, busy: tuple[Path, EpisodeFolder]) -> None:
    path, episode = busy
    opened(page, path)
    with TraceReader(episode) as reader:
        revisions = [record.revision for record in reader]
    order = list(range(1, len(revisions) + 1))
    Random(1).shuffle(order)  # any step from any other, and then in order
    shown = page.evaluate(VIEWS, [*order, *sorted(order)])
    for step, files in zip([*order, *sorted(order)], shown, strict=True):
        told = {name: "".join(f"{text}\n" for text, _ in lines) for name, lines in files.items()}
        assert told == files_at(episode.journal, revisions[step - 1]), step
        assert {name: [one for _, one in lines] for name, lines in files.items()} == sources(
            episode, revisions[step - 1]
        )


VIEWS = """async (steps) => {
  const head = await unpacked('head');
  const episode = new Episode(0, head.episodes[0]);
  const told = [];
  for (const step of steps) {
    const view = await episode.book.view(step, inOrder(await episode.step(step)));
    const files = [...view.pages].filter(([, page]) => !page.gone).map(([name, page]) => [name,
      page.lines.filter((line) => !view.removed.has(line)).map((line) => [line.text, line.revision])]);
    told.push(Object.fromEntries(files));
  }
  return told;
}"""


def sources(episode: EpisodeFolder, revision: int) -> dict[str, list[int]]:
    """The revision that wrote each line, by the journal."""
    files: dict[str, Text] = {}
    for record in records(episode.journal, revision):
        for name, change in record.changes.items():
            if change is None:
                del files[name]
            else:
                files.setdefault(name, Text()).splice(change, record.source)
    return {name: list(text.revisions) for name, text in files.items()}


def test_what_came_and_went_in_a_step_is_what_differs_from_the_step_before(
    page: Page, busy: tuple[Path, EpisodeFolder]
) -> None:
    path, episode = busy
    opened(page, path)
    with TraceReader(episode) as reader:
        revisions = [record.revision for record in reader]
    changes = page.evaluate(CHANGES, list(range(2, len(revisions) + 1)))
    for step, (added, removed) in enumerate(changes, 2):
        before, after = (sources(episode, revisions[at]) for at in (step - 2, step - 1))
        new = [one for name in after for one in after[name] if one > revisions[step - 2]]
        assert sorted(added) == sorted(new), step
        gone = sum(map(len, before.values())) + len(new) - sum(map(len, after.values()))
        assert removed == gone, step


CHANGES = """async (steps) => {
  const head = await unpacked('head');
  const episode = new Episode(0, head.episodes[0]);
  const told = [];
  for (const step of steps) {
    const view = await episode.book.view(step, inOrder(await episode.step(step)));
    const standing = new Set([...view.pages.values()].filter((page) => !page.gone).flatMap((page) => page.lines));
    const added = [...view.added].filter((line) => standing.has(line) && !view.removed.has(line));
    told.push([added.map((line) => line.revision), [...view.removed].length]);
  }
  return told;
}"""


def test_keys_move_play_and_open(page: Page, long: tuple[Path, EpisodeFolder]) -> None:
    path, _ = long
    opened(page, path)
    for key, step in (
        ("ArrowRight", 2),
        ("PageDown", 90),
        ("PageDown", 180),
        ("PageUp", 90),
        ("End", 201),
        ("ArrowLeft", 200),
        ("Home", 1),
    ):
        page.keyboard.press(key)
        stands_at(page, step)
    assert page.evaluate("location.hash") == "#step=1"
    page.select_option("#speed", "25")
    page.locator("h1").click()
    page.keyboard.press(" ")
    page.wait_for_selector('body:not([data-step="1"], [data-step="2"])')
    assert page.locator("#play").get_attribute("aria-label") == "Pause"
    page.keyboard.press(" ")
    assert page.locator("#play").get_attribute("aria-label") == "Play"
    page.keyboard.press("?")
    assert page.locator("#help").is_visible()
    page.keyboard.press("Escape")
    assert not page.locator("#help").is_visible()
    page.keyboard.press("/")
    page.keyboard.type("a ? n")  # keys mean what they say while one writes
    assert page.locator("#query").input_value() == "a ? n"
    page.keyboard.press("Escape")
    assert not page.locator("#search").is_visible()


def test_a_link_names_a_step_and_follows_the_reader(page: Page, long: tuple[Path, EpisodeFolder]) -> None:
    path, _ = long
    opened(page, path, "#step=33")
    stands_at(page, 33)
    page.evaluate("location.hash = '#step=44'")
    stands_at(page, 44)
    page.evaluate("location.hash = '#step=999999'")
    stands_at(page, 201)
    assert page.locator("#of").text_content() == "the end"


def test_the_timeline_is_a_slider_that_can_be_clicked(page: Page, long: tuple[Path, EpisodeFolder]) -> None:
    path, _ = long
    opened(page, path)
    strip = page.locator("#timeline")
    box = strip.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    assert "step" in str(page.locator("#tip").text_content())
    page.mouse.down()
    page.mouse.up()
    page.wait_for_selector('body:not([data-step="1"])')
    assert 90 <= int(page.evaluate("document.body.dataset.step")) <= 105
    assert strip.get_attribute("role") == "slider"
    assert str(strip.get_attribute("aria-valuetext")).startswith(f"step {strip.get_attribute('aria-valuenow')},")


def test_search_finds_operations_and_leads_to_them(page: Page, long: tuple[Path, EpisodeFolder]) -> None:
    path, episode = long
    opened(page, path)
    with TraceReader(episode) as reader:
        steps = list(reader)
    page.keyboard.press("/")
    page.select_option("#outcome", "written")
    page.fill("#query", "step 77:")
    page.get_by_text("1 hit in 1 step", exact=True).wait_for()
    page.locator(".result").click()
    stands_at(page, 77)
    page.select_option("#outcome", "empty")
    page.fill("#query", "")
    empty = sum(one.outcome == "empty" for record in steps for talk in record.conversations for one in talk.operations)
    page.get_by_text(f"{empty} hits in").wait_for()


def test_two_episodes_go_in_lockstep_and_one_may_end_first(page: Page, tmp_path: Path) -> None:
    one, two = scribbled(tmp_path / "one", 30, seed=1), scribbled(tmp_path / "two", 12, seed=2)
    opened(page, page_of(tmp_path, one, two), "#step=11")
    for number, episode in enumerate((one, two)):
        panel = page.locator(f".panel{number}")
        panel.locator("summary", has_text="what the model reads of it").click()
        assert panel.locator(".seen .text").text_content() == "room 11"
        names = panel.locator(".page > summary .file").all_text_contents()
        assert names == sorted(files_at(episode.journal, record_of(episode, 11).revision))
    page.keyboard.press("ArrowRight")
    stands_at(page, 12)
    page.evaluate("location.hash = '#step=20'")
    stands_at(page, 20)
    assert "Its recording ends after step 12" in str(page.locator(".panel1").text_content())
    assert page.locator(".panel0 .outcome").is_visible()


def test_a_key_and_a_button_lead_to_the_first_difference(page: Page, tmp_path: Path) -> None:
    one, other = synthetic(tmp_path / "a", 30), synthetic(tmp_path / "b", 20)
    opened(page, page_of(tmp_path, one, other), "#step=3")
    page.keyboard.press("d")
    stands_at(page, 20)
    assert page.locator("button.parting").text_content() == "first difference: step 20, world: how the step ended"
    page.keyboard.press("Home")
    page.locator("button.parting").click()
    stands_at(page, 20)
    opened(page, page_of(tmp_path, one, name="alone.html"), "#step=3")
    assert page.locator("button.parting").count() == 0
