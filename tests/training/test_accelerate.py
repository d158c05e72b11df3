"""The shipped accelerate configurations are read by accelerate's own loader."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

FOLDER = Path(__file__).resolve().parents[2] / "training" / "accelerate"
TYPES = {"multi_gpu": "MULTI_GPU", "fsdp": "FSDP", "deepspeed_zero3": "DEEPSPEED"}


@pytest.mark.parametrize("name", TYPES)
def test_a_configuration_is_one_of_todays_accelerate(name: str) -> None:
    from accelerate.commands.config.config_args import load_config_from_file

    config = load_config_from_file(str(FOLDER / f"{name}.yaml"))
    assert config.distributed_type == TYPES[name]
    assert config.mixed_precision == "bf16"
    assert config.num_processes == 2
    written = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    assert {key: config.to_dict()[key] for key in written} == written


def test_every_option_of_fsdp_and_deepspeed_is_one_that_the_launcher_knows() -> None:
    from accelerate.commands.launch import launch_command_parser

    known = {action.dest for action in launch_command_parser()._actions}
    for name, section in (("fsdp", "fsdp_config"), ("deepspeed_zero3", "deepspeed_config")):
        options = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())[section]
        assert set(options) <= known, name


def test_all_configurations_are_tested_here() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == set(TYPES)
