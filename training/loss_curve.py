"""The loss curve as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from training.metrics import Point


def draw_loss_curve(curve: Sequence[Point], title: str, path: Path) -> None:
    """Write a PNG: loss over optimizer steps on the left, share of tokens foreseen on the right."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    steps = [point.step for point in curve]
    marker = "o" if len(curve) == 1 else ""
    axes.plot(steps, [point.loss for point in curve], marker=marker, color="tab:blue")
    axes.set_xlabel("optimizer step")
    axes.set_ylabel("loss per token (nats)", color="tab:blue")
    axes.set_title(title, fontsize=10)
    other = axes.twinx()
    other.plot(steps, [100 * point.token_accuracy for point in curve], marker=marker, color="tab:gray", linewidth=0.8)
    other.set_ylabel("tokens foreseen (%)", color="tab:gray")
    other.set_ylim(0, 100)
    figure.savefig(path, dpi=120)
