"""How a run of loop 2 begins: our errors before anything is written, seeds that are drawn, what may change later."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lora_stub import LoraStub
from specializing import RECIPE, small_scaffold

from graphs.curator import Context, Input, graph
from graphs.curator.players import make_servable, served_name, specialist_of, weights_of
from graphs.curator.run import Specialization
from graphs.evaluation import graph as evaluate
from graphs.settings import Context as PlayContext
from graphs.settings import SettingsError
from training.selection import load_policy
from worlds import world_entry


def request(tmp_path: Path, tiny: Path, **given: Any) -> Input:
    (tmp_path / "tiny.toml").write_text(RECIPE)
    plain: Any = {
        **{
            "world": "vault",
            "tasks": ["one-door"],
            "out": str(tmp_path / "run"),
            "recipe": str(tmp_path / "tiny.toml"),
        },
        **{"base": f"embedded+weights={tiny}", "train_seeds": [1, 2], "validation_seeds": [11], "final_seeds": [21]},
        **given,
    }
    return plain  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("given", "context", "sentence"),
    [
        ({"train_seeds": [1, 11]}, {}, "seed 11 is both a train and a validation seed"),
        ({"train_seeds": [1, 21]}, {}, "seed 21 is both a train and a final seed"),
        ({"validation_seeds": [21]}, {}, "seed 21 is both a validation and a final seed"),
        ({"train_seeds": [1, 1]}, {}, "train_seeds name one twice: 1"),
        ({"train_seeds": 10**12}, {}, "train_seeds asks for more than 100,000 seeds"),
        ({"train_seeds": 0}, {}, "at least 1 is drawn"),
        ({"train_seeds": "1-3"}, {}, "input train_seeds"),
        ({"final_seeds": [-1]}, {}, "at least 0"),
        ({"recipe": "papers-best"}, {}, "There is no recipe 'papers-best'"),
        ({"recipe": "none/such.toml"}, {}, "none/such.toml cannot be read"),
        (
            {"policy": "the-best"},
            {},
            "There is no policy 'the-best': name a file, or one of by_effect, credited, default",
        ),
        ({"policy": "none/such.toml"}, {}, "none/such.toml cannot be read"),
        ({"launcher": ["none-such", "-m"]}, {}, "There is no program 'none-such' here"),
        ({"base": "scripted"}, {}, "no weights that an adapter can be trained on"),
        ({"base": "embedded+weights=/none/such"}, {}, "is no folder, and .embedded. needs a folder"),
        ({"base": "vllm:none such"}, {}, "`base_url`"),
        ({"weights": "/none/such"}, {}, "There is no base '/none/such'"),
        ({"base": "openai:gpt"}, {"base_url": "http://127.0.0.1:9/v1"}, "no weights"),
        ({"world": "volt"}, {}, "vault"),
        ({"tasks": ["one-dor"]}, {}, "one-door"),
        ({"out": 7}, {}, "The input out must name a folder, not 7"),
        ({"iterations": 0}, {}, "iterations must be at least 1"),
        ({"minimum_examples": 0}, {}, "minimum_examples must be at least 1"),
        ({"model": "nonsense"}, {}, "nonsense"),
        ({"curator_model": "vllm:m"}, {}, "curator_base_url"),
        ({"ceilings": {"money": 1}}, {}, "ceiling"),
        ({"ceilings": {"cost": 1}}, {}, "price"),
        ({"train_options": ["--bathing", "grouped"]}, {}, "options of the training cannot be read: .*--bathing"),
        ({"train_options": ["--save-every", "0"]}, {}, "save_every"),
        ({}, {"dialect": "functions"}, "learns text"),
        ({}, {"notebook": "off"}, "no memory to specialise in"),
        ({}, {"arm": "persisted"}, "The control arm persisted is for evaluations"),
        ({}, {"temperature": "hot"}, "temperature"),
        ({}, {"scaffold": "scaffolds/none"}, "no such scaffold"),
    ],
)
def test_our_errors_rise_before_anything_is_written(
    tmp_path: Path, tiny: Path, given: dict[str, Any], context: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence) as refused:
        asyncio.run(graph.ainvoke(request(tmp_path, tiny, **given), context=Context(**context)))
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "run").exists()


def test_traces_that_cannot_be_learned_from_are_refused(tmp_path: Path, tiny: Path) -> None:
    def refusal(scaffold: str | None = None, **given: Any) -> str:
        with pytest.raises(SettingsError) as refused:
            Specialization.begin(request(tmp_path, tiny, **given), Context(scaffold=scaffold))
        assert not (tmp_path / "run").exists()
        return str(refused.value)

    played = tmp_path / "played"
    where: Any = {"world": "vault", "tasks": ["one-door"], "model": "scripted", "out": str(played), "seeds": [5]}
    asyncio.run(evaluate.ainvoke(where, context=PlayContext(max_steps=3)))
    plain: Any = {"traces": str(played), "train_seeds": [5]}
    assert "is no evaluation" in refusal(**plain | {"traces": str(tmp_path)})
    assert "was played in vault, not in crafter" in refusal(**plain | {"world": "crafter", "tasks": ["default"]})
    assert "train_seeds is what" in refusal(**plain | {"train_seeds": [6]})
    assert "tasks is what" in refusal(**plain | {"tasks": ["six-doors"]})
    assert "seed 5 is both a train and a final seed" in refusal(**plain | {"final_seeds": [5]})
    assert "another scaffold" in refusal(**plain | {"scaffold": "scaffolds/vault/brief"})
    (played / "summary.json").unlink()
    assert "is not over" in refusal(**plain)


def test_a_curator_that_calls_no_tools_is_refused(tmp_path: Path, tiny: Path) -> None:
    with pytest.raises(ValueError, match="The curator needs a model that calls tools"):
        Specialization.begin(request(tmp_path, tiny, curator_model=f"embedded+weights={tiny}"), None)


def test_seeds_are_drawn_once_and_for_good_and_recorded(tmp_path: Path, tiny: Path) -> None:
    given = request(tmp_path, tiny, train_seeds=100, validation_seeds=5, final_seeds=[42, 43])
    run = Specialization.begin(given, None)
    assert len(run.train_seeds) == len(set(run.train_seeds)) == 100
    assert len(run.validation_seeds) == 5
    assert not {*run.train_seeds} & {*run.validation_seeds, *range(42, 52)}
    assert Specialization.read(run.folder.path) == run
    resumed: Any = {**given, "resume": True}
    assert Specialization.begin(resumed, None) == run
    other: Any = {**given, "out": str(tmp_path / "other"), "seed": 1}
    assert Specialization.begin(other, None).train_seeds != run.train_seeds


def test_the_policy_to_start_from_is_kept_with_the_run(tmp_path: Path, tiny: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text('summary = "few"\ntotal = 7\n')
    for policy, text in (("credited", load_policy("credited")), (str(own), own.read_text())):
        out = str(tmp_path / text[:9])
        run = Specialization.begin(request(tmp_path, tiny, policy=policy, out=out), None)
        assert Specialization.read(run.folder.path).start_policy == run.start_policy == text


def test_a_run_of_before_there_was_a_choice_has_the_default_policy(tmp_path: Path, tiny: Path) -> None:
    run = Specialization.begin(request(tmp_path, tiny), None)
    plain = json.loads(run.folder.run.read_text())
    del plain["configuration"]["start_policy"], plain["configuration"]["specialization"]["policy"]
    run.folder.run.write_text(json.dumps(plain))
    assert Specialization.read(run.folder.path) == run


def test_what_is_left_out_is_the_papers(tmp_path: Path, tiny: Path) -> None:
    given: Any = {"world": "vault", "out": str(tmp_path / "run"), "base": f"embedded+weights={tiny}"}
    run = Specialization.begin(given, None)
    assert (run.iterations, len(run.train_seeds), run.recipe) == (5, 100, "small-cpu")
    assert len(run.validation_seeds) == len(run.final_seeds)
    assert run.minimum_examples == run.start.data.minimum_examples


def test_only_what_changes_no_result_may_change_when_a_run_goes_on(tmp_path: Path, tiny: Path) -> None:
    given = request(tmp_path, tiny)
    Specialization.begin(given, Context(scaffold=str(small_scaffold(tmp_path / "scaffold"))))
    with pytest.raises(ValueError, match="`resume`"):
        Specialization.begin(given, None)
    again: Any = {**given, "resume": True}
    for name, value in (("train_seeds", [3]), ("iterations", 2), ("seed", 1), ("minimum_examples", 3)):
        with pytest.raises(ValueError, match=f"begun with {name}="):
            Specialization.begin({**again, name: value}, None)
    with pytest.raises(ValueError, match="begun with temperature="):
        Specialization.begin(again, Context(temperature=0.5))
    freed = Specialization.begin({**again, "ceilings": {"calls": 5}, "approve": True}, Context(timeout_s=5.0))
    assert (freed.ceilings, freed.approve, freed.context.timeout_s) == ({"calls": 5}, True, 5.0)
    Specialization.begin(again, Context(ceilings={"calls": 3}))
    more = Specialization.begin({**again, "ceilings": {"minutes": 9}}, Context(ceilings={"minutes": 1}))
    assert (more.ceilings, more.context.ceilings) == ({"calls": 5, "minutes": 9}, {"calls": 3, "minutes": 1})
    prompt = tmp_path / "scaffold" / "prompts" / "plan.md"
    prompt.write_text(prompt.read_text() + "Act.\n")
    with pytest.raises(ValueError, match="is not what it was"):
        Specialization.begin(again, None)


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path, tiny: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="no run of loop 2"):
        Specialization.begin(request(tmp_path, tiny), None)


def test_a_served_specialist_has_a_name_of_its_own_weights(tmp_path: Path) -> None:
    for name, weights in (("one", b"1"), ("two", b"2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "adapter_config.json").write_text('{"r": 4}')
        (tmp_path / name / "adapter_model.safetensors").write_bytes(weights)
    one, two = (tmp_path / name for name in ("one", "two"))
    assert weights_of("vllm:Qwen/Qwen2.5-32B-Instruct") == "Qwen/Qwen2.5-32B-Instruct"
    assert specialist_of("vllm:base", one) == f"vllm:{served_name(one)}" != specialist_of("vllm:base", two)
    with LoraStub("base") as server:
        make_servable("vllm:base", one, server.url)
        make_servable("vllm:base", one, server.url)
        assert server.adapters == {served_name(one): str(one)}


def test_training_on_seeds_that_others_are_measured_by_is_warned_of(tmp_path: Path, tiny: Path) -> None:
    published = world_entry("vault").seeds[0]
    made = Specialization.begin(request(tmp_path, tiny, train_seeds=[1, published]), Context())
    assert [one for one in made.warnings() if "are trained on" in one]
    assert not [one for one in replace(made, train_seeds=[1, 2]).warnings() if "are trained on" in one]
