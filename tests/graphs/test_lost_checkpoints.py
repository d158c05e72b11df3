"""Runs that come twice, threads without checkpoints, states that a person wrote: the folder says what was played."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from playing import folder_of

from graphs.curator.graph import build as build_curator
from graphs.inner_agent import Context
from graphs.inner_agent.graph import build
from graphs.inner_agent.sessions import SESSIONS
from graphs.reviewer.graph import build as build_reviewer
from traces import EpisodeFolder, TraceReader

EPISODE = {"world": "vault", "task": "six-doors", "seed": 3, "model": "scripted"}


def run(folder: Path, saver: InMemorySaver, run_id: str, given: dict[str, Any] | None, **more: Any) -> Any:
    """One run of a server on the thread t."""
    config: Any = {"configurable": {"thread_id": "t", "run_id": run_id, **more}}
    graph = build().compile(checkpointer=saver)
    return graph.invoke(given, config, context=Context(runs=str(folder / "runs")))


def steps_in(folder: EpisodeFolder) -> list[int]:
    with TraceReader(folder) as reader:
        return [record.step for record in reader]


def states(saver: InMemorySaver) -> list[Any]:
    return list(build().compile(checkpointer=saver).get_state_history({"configurable": {"thread_id": "t"}}))


def begun(saver: InMemorySaver) -> dict[int, Any]:
    """The states in which a step begins, by step."""
    return {one.values["step"]: one for one in states(saver) if one.next == ("observe",) and "step" in one.values}


@pytest.mark.parametrize("killed", [True, False])
def test_a_run_that_comes_twice_plays_its_steps_once(tmp_path: Path, killed: bool) -> None:
    assert run(tmp_path, InMemorySaver(), "a", {**EPISODE, "steps": 5})["step"] == 6
    if killed:
        SESSIONS.close(folder_of(tmp_path, "t"))
    assert run(tmp_path, InMemorySaver(), "a", {**EPISODE, "steps": 5})["step"] == 6
    assert run(tmp_path, InMemorySaver(), "b", {**EPISODE, "steps": 2})["step"] == 8
    assert steps_in(folder_of(tmp_path, "t")) == list(range(1, 8))


@pytest.mark.parametrize("node", ["observe", "log", "plan", "act"])
def test_a_run_taken_up_at_an_older_checkpoint_of_its_own_goes_on_where_the_trace_ends(
    tmp_path: Path, node: str
) -> None:
    saver = InMemorySaver()
    run(tmp_path, saver, "a", {**EPISODE, "steps": 8})
    SESSIONS.close(folder_of(tmp_path, "t"))
    older = [one.config for one in states(saver) if one.next == (node,) and one.values.get("step") == 4][-1]
    again = run(tmp_path, saver, "a", None, checkpoint_id=older["configurable"]["checkpoint_id"])
    assert again["step"] == 9
    assert Path(again["episode"]) == folder_of(tmp_path, "t").path
    assert [folder.name for folder in (tmp_path / "runs").iterdir()] == ["t"]


def test_a_fork_that_comes_twice_is_made_once(tmp_path: Path) -> None:
    saver = InMemorySaver()
    run(tmp_path, saver, "a", {**EPISODE, "steps": 8})
    at = next(one.config for one in states(saver) if one.next == ("observe",) and one.values.get("step") == 4)
    checkpoint = at["configurable"]["checkpoint_id"]
    forked = [run(tmp_path, saver, "b", {"steps": 3}, checkpoint_id=checkpoint) for _ in range(2)]
    assert forked[0]["episode"] == forked[1]["episode"] != str(folder_of(tmp_path, "t").path)
    assert [one["step"] for one in forked] == [7, 7]
    assert steps_in(folder_of(tmp_path, "t")) == list(range(1, 9))


def test_a_thread_without_its_checkpoints_gets_them_back_and_can_be_forked_at_each_step(tmp_path: Path) -> None:
    first = InMemorySaver()
    run(tmp_path, first, "a", {**EPISODE, "steps": 8})
    before = begun(first)
    SESSIONS.close(folder_of(tmp_path, "t"))
    saver = InMemorySaver()
    assert run(tmp_path, saver, "b", {**EPISODE, "steps": 0})["step"] == 9
    restored = begun(saver)
    assert sorted(restored) == list(range(2, 9))
    for step, state in restored.items():
        shown = ("observation", "action", "reward", "episode_return", "progression", "revision", "done")
        assert {name: state.values[name] for name in shown} == {name: before[step].values[name] for name in shown}
    forked = run(tmp_path, saver, "c", {"steps": 2}, checkpoint_id=restored[5].config["configurable"]["checkpoint_id"])
    assert forked["step"] == 7
    assert steps_in(EpisodeFolder(Path(forked["episode"]))) == list(range(1, 7))
    assert steps_in(folder_of(tmp_path, "t")) == list(range(1, 9))


def test_a_long_episode_gets_back_a_bounded_number_of_checkpoints(tmp_path: Path) -> None:
    run(tmp_path, InMemorySaver(), "a", {"world": "vault", "task": "six-doors", "seed": 3, "steps": 230})
    saver = InMemorySaver()
    run(tmp_path, saver, "b", {"steps": 0, **EPISODE})
    assert 50 <= len(states(saver)) <= 110


@pytest.mark.parametrize("node", ["observe", "log", "remember", "plan", "recall", "handoff", "commit", "act"])
def test_a_state_that_a_person_wrote_is_played_on_whatever_node_it_stands_for(tmp_path: Path, node: str) -> None:
    saver = InMemorySaver()
    run(tmp_path, saver, "a", {**EPISODE, "steps": 3})
    graph = build().compile(checkpointer=saver)
    graph.update_state({"configurable": {"thread_id": "t"}}, {"steps": 2}, as_node=node)
    assert states(saver)[0].next != ()
    assert run(tmp_path, saver, "b", None)["step"] == 6


@pytest.mark.parametrize(
    ("node", "follows"), [("observe", "log"), ("log", "remember"), ("remember", "plan"), ("plan", "act")]
)
def test_a_state_edited_in_the_middle_of_a_step_goes_on_there(tmp_path: Path, node: str, follows: str) -> None:
    saver = InMemorySaver()
    run(tmp_path, saver, "a", {**EPISODE, "steps": 3})
    written = next(one for one in states(saver) if one.next == (follows,))
    graph = build().compile(checkpointer=saver)
    graph.update_state(written.config, {"steps": 1}, as_node=node)
    assert states(saver)[0].next == (follows,)
    played = run(tmp_path, saver, "b", None)
    assert played["step"] == written.values["step"] + 1
    assert "-fork-" in played["episode"]


@pytest.mark.parametrize("build_graph", [build_reviewer, build_curator])
def test_a_written_state_of_an_outer_loop_goes_on_from_every_node_but_the_last(build_graph: Any) -> None:
    graph = build_graph().compile(checkpointer=InMemorySaver())
    for node in graph.builder.nodes:
        config = {"configurable": {"thread_id": node}}
        graph.update_state(config, {"out": "runs/x"}, as_node=node)
        assert (graph.get_state(config).next == ()) == (node == "finish")
