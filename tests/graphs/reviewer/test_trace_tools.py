"""The reviewer's trace tools: what they answer, cut and refuse, over played and synthetic episodes."""

from __future__ import annotations

import re

import pytest
from called_tools import CalledTools
from playing import folder_of, play, steps_of
from synthetic_episode import SyntheticEpisode

from graphs.reviewer.trace_tools.tools import trace_tools
from memory_fs import files_at
from traces import (
    EpisodeResult,
    Failure,
    RunFolder,
    TraceReader,
    TraceWriter,
    read_result,
    write_result,
)

LONG = {"run": "long", "task": "default", "seed": 1}
PLAYED = {"run": "played", "task": "three-doors", "seed": 1}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    play(folder, 40, thread="played", task="three-doors")
    with TraceWriter(RunFolder(folder / "long").episode("w", "default", 1)) as writer:
        for record in SyntheticEpisode(told=6).records(300):
            writer.write(record)
    return folder


@pytest.fixture(scope="module")
def runs(place):
    return {"played": place / "runs" / "played", "long": place / "long"}


@pytest.fixture(scope="module")
def tools(runs):
    return CalledTools(trace_tools(runs))


def test_episodes_are_listed_as_they_stand(tools, place):
    result = read_result(folder_of(place, "played"))
    lines = tools("list_episodes", run="played").splitlines()
    assert lines[0].startswith("played: 1 episodes (1 finished); mean progression")
    assert lines[1].startswith(f"three-doors/seed-1: finished, {result.steps} steps, progression")
    playing = tools("list_episodes", run="long").splitlines()[1]
    assert playing == "default/seed-1: being played, 300 steps, progression 13.6 %"


def test_the_overview_tells_steps_that_hold(tools, place):
    text = tools("episode_overview", **PLAYED)
    records = steps_of(place, "played")
    told = [int(step) for step in re.findall(r"(\d+) \([+-][\d.]+, [\d.]+ %\)", text)]
    reached = [0.0, *(record.info["progression"] for record in records)]
    gained = [one.step for one in records if one.reward or reached[one.step] != reached[one.step - 1]]
    assert told == gained != []
    assert f"{len(records)} steps" in text


def test_an_overview_follows_an_episode_that_is_still_played(tmp_path):
    tools = CalledTools(trace_tools({"long": tmp_path}))
    records = list(SyntheticEpisode(told=4).records(40))
    with TraceWriter(RunFolder(tmp_path).episode("w", "default", 1)) as writer:
        assert tools("episode_overview", **LONG).startswith("long: default/seed-1: being played, 0 steps")
        for record in records:
            writer.write(record)
            if record.step in (1, 39, 40):
                assert f"being played, {record.step} steps" in tools("episode_overview", **LONG)


def test_a_step_is_shown_as_the_model_saw_it(tools, place):
    for record in steps_of(place, "played"):
        whole = tools("show_step", **PLAYED, step=record.step)
        assert whole.startswith(f"played: [three-doors/seed-1 step {record.step}] of ")
        shown = "".join(tools("show_step", **PLAYED, step=record.step, part=part) for part in ("LOG", "PLAN"))
        for talk in record.conversations:
            for call in range(len(talk.calls)):
                for message in talk.prompt(call):
                    quoted = "\n".join(f"| {line}" for line in message["content"].split("\n"))
                    assert quoted in shown
                    assert (quoted in whole) == (message["role"] != "system")


def test_each_call_says_what_it_received(tools, place):
    talks = [(one.step, talk) for one in steps_of(place, "played") for talk in one.conversations]
    step, talk = max(talks, key=lambda item: len(item[1].calls))
    assert len(talk.calls) > 1
    lines = tools("show_step", **PLAYED, step=step, part=talk.routine).splitlines()
    for number, call in enumerate(talk.calls, 1):
        at = next(i for i, line in enumerate(lines) if line.startswith(f"Call {number} received"))
        assert f"received messages 1 to {call.prompt_length}" in lines[at]
        assert lines[at + 1].startswith(f"Message {call.prompt_length + 1}, assistant")


def test_the_notebook_of_a_step_is_that_of_its_time(tools, place):
    folder = folder_of(place, "played")
    for record in steps_of(place, "played")[::3]:
        shown = tools("show_step", **PLAYED, step=record.step, part="memory")
        for name, text in files_at(folder.journal, record.revision).items():
            lines = text.splitlines()
            numbered = "\n".join(f"| {number}: {line}" for number, line in enumerate(lines, 1))
            assert f'"{name}", {len(lines)} lines' in shown
            assert numbered in shown


def test_pages_of_a_step_make_up_the_whole(runs):
    whole = CalledTools(trace_tools(runs, characters=1_000_000))("show_step", **LONG, step=20, part="LOG")
    tools, offset, parts = CalledTools(trace_tools(runs, characters=700)), 0, []
    while True:
        text = tools("show_step", **LONG, step=20, part="LOG", offset=offset)
        cut = re.search(r"\n… [\d,]+ characters more: show_step with step=20, part=LOG, offset=(\d+)$", text)
        parts.append(text[: cut.start()] if cut else text)
        if cut is None:
            break
        offset = int(cut[1])
    assert "".join(parts) == whole
    assert all(len(part) <= 700 for part in parts)


def test_pages_of_a_search_make_up_the_whole(runs):
    wide, narrow = CalledTools(trace_tools(runs, characters=1_000_000)), CalledTools(trace_tools(runs, characters=900))
    query = {**LONG, "text": "iron", "where": "operation"}
    everything = [line for line in wide("search_trace", **query, limit=200).splitlines() if line.startswith("step ")]
    found, first = [], 1
    while True:
        text = narrow("search_trace", **query, first_step=first, limit=50)
        found += [line for line in text.splitlines() if line.startswith("step ")]
        more = re.search(r"… more: search_trace with first_step=(\d+)", text)
        if more is None:
            break
        assert int(more[1]) > first
        first = int(more[1])
    assert found[: len(everything)] == everything
    with TraceReader(next(RunFolder(runs["long"]).episodes())) as reader:
        expected = sum(
            any("iron" in str(value) for value in one.arguments.values())
            for record in reader
            for talk in record.conversations
            for one in talk.operations
        )
    assert len(found) == expected


@pytest.mark.parametrize("name", ["list_episodes", "episode_overview", "compare_runs"])
def test_whatever_is_long_is_cut_with_a_pointer(runs, name):
    arguments = {"list_episodes": {"run": "long"}, "compare_runs": {"before": "long", "after": "played"}}
    text = CalledTools(trace_tools(runs, characters=40))(name, **arguments.get(name, LONG))
    assert re.search(rf"\n… [\d,]+ characters more: {name} with .*, offset=40$", text)


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("list_episodes", {"run": "x"}, "There is no run 'x'; there are: played, long."),
        ("compare_runs", {"before": "long", "after": "y"}, "There is no run 'y'"),
        ("episode_overview", {**LONG, "task": "t"}, "Run long has no task 't'; it has: default."),
        ("show_step", {**LONG, "seed": 7, "step": 1}, "Run long has no seed 7 of default; it has: 1."),
        ("show_step", {**LONG, "step": 301}, "has 300 steps, there is no step 301."),
        ("show_step", {**LONG, "step": 0}, "step: Input should be greater than or equal to 1"),
        ("show_step", {**LONG, "step": "soon"}, "step: Input should be a valid integer"),
        ("show_step", {**LONG, "step": 1, "part": "ACT"}, "part: Input should be 'all', 'observation', 'LOG'"),
        ("show_step", LONG, "step: Field required"),
        ("search_trace", {**LONG, "first_step": 999}, "Say what to look for"),
        ("search_trace", {**LONG, "text": "a", "first_step": 999}, "has 300 steps, there is no step 999."),
        ("search_trace", {**LONG, "where": "dreams"}, "where: Input should be 'any', 'observation'"),
        ("search_trace", {**LONG, "operation": "search", "where": "reply"}, "searched among operations"),
        ("search_trace", {**LONG, "text": "a", "colour": "red"}, "colour: Extra inputs are not permitted"),
    ],
)
def test_a_mistake_of_the_model_is_answered_in_one_sentence(tools, name, arguments, says):
    text = tools(name, **arguments)
    assert says in text
    assert "\n" not in text
    assert text.endswith(".")


def result(seed, progression, status="finished", **metrics):
    failure = Failure("provider", "plan", "the server was gone\x1b[2J", 3) if status == "failed" else None
    return EpisodeResult("w", "t", seed, status, 5, progression, 1.0, failure=failure, metrics=metrics)


def test_runs_are_compared_seed_by_seed_and_a_failure_counts_as_zero(tmp_path):
    from traces import METRICS_VERSION

    known = {"metrics_version": METRICS_VERSION}
    before = [result(1, 0.2, **known, unproductive_action_rate=0.5), result(2, 0.4), result(3, 0.5)]
    after = [result(1, 0.3, **known, unproductive_action_rate=0.25), result(2, 0.9, "failed"), result(4, 1.0)]
    for name, results in (("a", before), ("b", after)):
        for one in results:
            folder = RunFolder(tmp_path / name).episode("w", "t", one.seed)
            folder.create()
            write_result(folder, one)
    tools = CalledTools(trace_tools({"a": tmp_path / "a", "b": tmp_path / "b"}))
    text = tools("compare_runs", before="a", after="b")
    assert "over 2 episodes that ended in both: progression 30.0 → 15.0 % (-15.0); 1 better, 1 worse" in text
    assert "mean unproductive: 50.0 % → 25.0 %" in text
    assert "t/seed-1: 20.0 → 30.0 % (+10.0)" in text
    assert "t/seed-2: 40.0 → 0.0 % (-40.0)" in text
    assert "t/seed-3: only before: 50.0 %" in text
    assert "t/seed-4: only after: 100.0 %" in text
    listed = tools("list_episodes", run="b")
    assert (
        't/seed-2: failed, 5 steps, progression 90.0 %; provider at step 3: "the server was gone\\u001b[2J"' in listed
    )
    assert "no step: it failed before the first" in tools("episode_overview", run="b", task="t", seed=2)
