"""Options that evolve and specialize share: the agent of an outer loop, its budget, and going on with it."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

AgentModel: TypeAlias = Annotated[
    str, typer.Option(help="PROVIDER:NAME, vllm:NAME, openai:NAME with tool calling; scripted (no language model).")
]
AgentBaseUrl: TypeAlias = Annotated[str | None, typer.Option(help="Its OpenAI-compatible server, with /v1.")]
Seed: TypeAlias = Annotated[int, typer.Option("--seed", min=0, help="Seed of all that is drawn.")]
WholeCeilings: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--ceiling", help="What all of it may spend: calls=N, tokens=N, cost=USD, minutes=N; may be repeated."
    ),
]
EpisodeCeilings: TypeAlias = Annotated[
    list[str] | None, typer.Option("--episode-ceiling", help="The same for each episode; may be repeated.")
]
Concurrency: TypeAlias = Annotated[
    int | None, typer.Option(min=1, help="Episodes side by side. (default: 10; when resumed, as begun)")
]
Resume: TypeAlias = Annotated[
    bool, typer.Option("--resume", help="Go on with what --out holds: what is finished is not repeated.")
]
