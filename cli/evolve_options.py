"""Options of `automem evolve` that no other command has."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, TypeAlias

import typer


class GateName(StrEnum):
    """By which rule a candidate is kept."""

    mean = "mean"
    paired = "paired"
    confirm = "confirm"


GateSeeds: TypeAlias = Annotated[str | None, typer.Option(help="Seeds the gate judges by. (default: the protocol's)")]
HoldoutSeeds: TypeAlias = Annotated[
    str | None, typer.Option(help="Seeds of the final table; neither reviewer nor gate ever sees them.")
]
Versions: TypeAlias = Annotated[int, typer.Option(min=1, help="Versions to reach (paper: 5).")]
FreshAttempts: TypeAlias = Annotated[int, typer.Option(min=1, help="Fresh attempts per version (paper: 3).")]
Continuations: TypeAlias = Annotated[
    int, typer.Option(min=0, help="Continuations of an attempt that was turned down (paper: 1).")
]
Gate: TypeAlias = Annotated[
    GateName,
    typer.Option(help="mean: any rise (paper); paired: beyond luck; confirm: rises again on fresh seeds."),
]
Confidence: TypeAlias = Annotated[
    float, typer.Option(min=0.5, max=0.9999, help="That nothing in the whole search is kept by luck.")
]
Reevaluate: TypeAlias = Annotated[
    bool, typer.Option("--reevaluate-incumbent", help="Control arm: play the old scaffold again for every candidate.")
]
AttemptCeilings: TypeAlias = Annotated[
    list[str] | None, typer.Option("--attempt-ceiling", help="What each attempt may spend, likewise; may be repeated.")
]
Approve: TypeAlias = Annotated[
    bool | None,
    typer.Option("--approve/--no-approve", help="Ask before a candidate is evaluated and before it is adopted."),
]
