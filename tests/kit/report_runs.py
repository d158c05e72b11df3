"""Run folders as evaluations leave them, without playing: made-up results of any world, player and fate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from traces import METRICS_VERSION, EpisodeResult, Failure, RunFolder, write_result, write_run

METRICS = {
    "metrics_version": METRICS_VERSION,
    "unproductive_action_rate": 0.25,
    "redundant_write_rate": 0.1,
    "empty_search_rate": 0.5,
    "prompt_tokens_per_step": None,
    "prompt_characters_per_step": 8_000.0,
    "log_writes_per_search": 2.0,
    "writes_per_search": 1.5,
}


def lay_out_run(
    path: Path,
    progressions: Mapping[tuple[str, int], float | None],
    *,
    world: str = "vault",
    seeds: Sequence[int] | None = None,
    model: str = "scripted",
    gameplay_model: str | None = None,
    fates: Mapping[tuple[str, int], str] | None = None,
    cause: str = "the server is away",
    metrics: Mapping[str, Any] | None = None,
    max_steps: int = 300,
    protocol: str | None = None,
    cost: float | None = None,
    servers: Mapping[str, Any] | None = None,
) -> Path:
    """A run of these (task, seed) with what each reached in [0, 1]; None: begun, but not ended.

    `fates`: "failed" or "limited" for those that did not finish. `seeds`: planned, where more than those that began.
    """
    run = RunFolder(path)
    tasks = list(dict.fromkeys(task for task, _ in progressions))
    planned = list(seeds or dict.fromkeys(seed for _, seed in progressions))
    settings = {"model": model, "gameplay_model": gameplay_model, "notebook": "on", "max_steps": max_steps}
    plan = {"world": world, "tasks": tasks, "seeds": planned, "protocol": protocol, "effective_max_steps": max_steps}
    write_run(run, {"settings": settings, **plan})
    for (task, seed), progression in progressions.items():
        folder = run.episode(world, task, seed)
        folder.create()
        if progression is None:
            continue
        fate: Any = (fates or {}).get((task, seed), "finished")
        result = EpisodeResult(
            world=world,
            task=task,
            seed=seed,
            status=fate,
            steps=100,
            progression=progression,
            episode_return=1.0,
            failure=Failure("provider", "LOG", cause, 7) if fate == "failed" else None,
            tokens={"prompt": 1_000, "completion": 50, "cached": 250},
            model_calls=400,
            cost=cost,
            wall_s=60.0,
            servers=dict(servers or {}),
            metrics={**METRICS, **(metrics or {})},
            scaffold=f"{world}/v0",
            model=model,
            gameplay_model=gameplay_model,
        )
        write_result(folder, result)
    return path
