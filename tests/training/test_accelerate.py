"""The shipped accelerate configurations: read by accelerate's own launcher, and trained with in two processes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from effort import THOROUGH

from training.metrics import Metrics, read_metrics

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "training" / "accelerate"
TOGETHER = ROOT / "tests" / "kit" / "trained_together.py"
TYPES = {"multi_gpu": "MULTI_GPU", "fsdp": "FSDP"}
OPTIONS = ("--epochs", "3", "--batch", "2", "--accumulation", "4", "--save-every", "2")
SUMS = 1e-5
"""What losses may differ by: gradients are added up in another order in two processes."""


@pytest.mark.parametrize("name", TYPES)
def test_a_configuration_is_one_of_todays_accelerate(name: str) -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    config = load_config_from_file(str(FOLDER / f"{name}.yaml"))
    assert config.distributed_type == TYPES[name]
    assert config.mixed_precision == "bf16"
    assert config.num_processes == 2
    written = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    assert {key: config.to_dict()[key] for key in written} == written


def test_every_option_of_fsdp_is_one_that_the_launcher_knows() -> None:
    from accelerate.commands.launch import launch_command_parser

    known = {action.dest for action in launch_command_parser()._actions}
    assert set(yaml.safe_load((FOLDER / "fsdp.yaml").read_text())["fsdp_config"]) <= known


def test_all_configurations_are_tested_here() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == set(TYPES)


def words(settings: Any) -> list[str]:
    """The command line of a training."""
    plain = settings.model_dump(mode="json", exclude={"lora", "resume"}, exclude_none=True)
    plain |= settings.lora.model_dump(mode="json")
    return [word for name, value in plain.items() for word in (f"--{name.replace('_', '-')}", str(value))]


def losses(metrics: Metrics | None) -> list[float]:
    assert metrics is not None
    return [point.loss for point in metrics.curve]


def adapter(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(folder / "adapter_model.safetensors")


def test_two_processes_train_as_one_does_also_when_they_are_killed_and_resumed(
    settings: Callable[..., Any], train: Callable[..., Metrics], tmp_path: Path
) -> None:
    def training(name: str, config: str, **more: Any) -> dict[str, Any]:
        line = words(settings(*OPTIONS, output=tmp_path / name)) + more.pop("resume", [])
        return {"config": str(FOLDER / f"{config}.yaml"), "words": line, **more}

    plan = [training("multi_gpu", "multi_gpu"), training("fsdp", "fsdp", kill_after=2)]
    plan.append(training("fsdp", "fsdp", resume=["--resume"]))
    if THOROUGH:
        plan += [training("whole", "fsdp"), training("ddp", "multi_gpu", kill_after=4)]
        plan.append(training("ddp", "multi_gpu", resume=["--resume"]))
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    ran = subprocess.run(
        [sys.executable, str(TOGETHER), str(tmp_path / "plan.json")], check=False, capture_output=True, text=True
    )
    ends = [json.loads(line) for line in ran.stdout.splitlines() if line.startswith('{"statuses"')]
    wanted = [[-9, -9] if "kill_after" in one else [0, 0] for one in plan]
    assert [end["statuses"] for end in ends] == wanted, ran.stderr
    # Seven layers in each of two blocks, with A and B; 9 weights and norms in each, embedding and last norm.
    sharded = [[2 * 2 * 7 + 2 * 9 + 2] * 2 if "fsdp" in one["config"] else [] for one in plan]
    assert [end["sharded"] for end in ends] == sharded

    alone = train(*OPTIONS, output=tmp_path / "alone")
    assert losses(alone)[0] - losses(alone)[-1] > 1
    for name in {Path(one["words"][one["words"].index("--output") + 1]).name for one in plan}:
        metrics = read_metrics(tmp_path / name)
        assert losses(metrics) == pytest.approx(losses(alone), abs=SUMS)
        assert metrics is not None
        assert metrics.processes == 2
        ours, theirs = adapter(tmp_path / name), adapter(tmp_path / "alone")
        assert ours.keys() == theirs.keys()
        assert max(float((ours[key] - theirs[key]).abs().max()) for key in ours) < 1e-4
