"""Training on examples that begin alike: a step computes each common prefix once, forward and backward.

Loss and gradient are those of the examples one by one, but for rounding, and for dropout, which draws once for a token
that several examples share. `training.prefix_tree` makes the trees and cuts them into passes, so that a step takes the
memory of `batch` examples and not of all; `training.tree_attention` lets each token see its own example alone.

A pass sees the keys and values of the passes above it through leaves, and goes backward on its own; the gradients of
the leaves are added when the pass above goes backward. The last pass at each level is one graph with those above it:
the last of all is the Trainer's own backward pass, in which DistributedDataParallel exchanges gradients.

Import this module when training starts; its imports are heavy.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any

import torch
from trl.trainer.sft_trainer import SFTTrainer

from training import TrainingError
from training.prefix_tree import Pass, grow, passes
from training.tokens import NO_LOSS
from training.tree_attention import NAME, KeysValues, Span, View


# Batches --------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class PassBatch:
    """The tensors of one forward pass."""

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    """As in the examples; both of shape (1, tokens)."""
    loss_at: torch.Tensor
    targets: torch.Tensor
    """The next token that is learned, and at which token of the pass; both of shape (targets,)."""
    weights: torch.Tensor
    """By how many examples; of the same shape."""
    spans: tuple[Span, ...]
    children: tuple[PassBatch, ...]

    def to(self, device: torch.device | str, **options: Any) -> PassBatch:
        """The same on a device. accelerate calls it as it calls a tensor's."""
        names = ("input_ids", "position_ids", "loss_at", "targets", "weights")
        moved = {name: getattr(self, name).to(device, **options) for name in names}
        return replace(self, **moved, children=tuple(child.to(device, **options) for child in self.children))


@dataclass(frozen=True, slots=True)
class SharedPrefixCollator:
    """Makes the batch of an optimizer step from its examples, rows of `input_ids` and `labels`."""

    examples: int
    """At most in one pass."""

    def __call__(self, features: Sequence[dict[str, list[int]]]) -> dict[str, Any]:
        """`passes` are computed; by `shift_labels`, all targets of the examples, the Trainer scales the loss."""
        rows = [feature["input_ids"] for feature in features]
        labels = [feature["labels"] for feature in features]
        learned = [label for row in labels for label in row[1:] if label != NO_LOSS]
        return {
            "input_ids": torch.tensor([[token for row in rows for token in row]]),
            "labels": torch.tensor([[label for row in labels for label in row]]),
            "shift_labels": torch.tensor([learned]),
            "passes": [_tensors(one, rows, labels) for one in passes(grow(rows), self.examples)],
        }


def _tensors(one: Pass, rows: Sequence[list[int]], labels: Sequence[list[int]]) -> PassBatch:
    tokens: list[int] = []
    positions: list[int] = []
    weights: dict[tuple[int, int], int] = {}
    for segment in one.segments:
        node = segment.node
        tokens += rows[node.examples[0]][node.begin : node.end]
        positions += range(node.begin, node.end)
        for example in node.examples:  # at a shared token they may learn the same next token, different ones, or none
            for at, label in enumerate(labels[example][node.begin + 1 : node.end + 1], segment.begin):
                if label != NO_LOSS:
                    weights[at, label] = weights.get((at, label), 0) + 1
    return PassBatch(
        input_ids=torch.tensor([tokens]),
        position_ids=torch.tensor([positions]),
        loss_at=torch.tensor([at for at, _ in weights], dtype=torch.long),
        targets=torch.tensor([label for _, label in weights], dtype=torch.long),
        weights=torch.tensor(list(weights.values()), dtype=torch.float32),
        spans=tuple((segment.begin, segment.end, segment.below) for segment in one.segments),
        children=tuple(_tensors(child, rows, labels) for child in one.children),
    )


@dataclass(frozen=True, slots=True)
class LossPositions:
    """TRL's collator, with the tokens of its batch at which a next token is learned: only these need logits.

    On a GPU, TRL 1.16 leaves out the others itself; on a CPU it computes the logits of every token.
    """

    collator: Callable[[list[dict[str, Any]]], dict[str, Any]]

    def __call__(self, features: list[dict[str, Any]]) -> dict[str, Any]:
        """Add `loss_at`, indices into all tokens of the batch, and their `shift_labels`, of shape (1, targets)."""
        batch = self.collator(features)
        labels = torch.nn.functional.pad(batch["labels"][:, 1:], (0, 1), value=NO_LOSS).flatten()
        at = (labels != NO_LOSS).nonzero().flatten()
        return {**batch, "loss_at": at, "shift_labels": labels[at].unsqueeze(0)}


def gather_before_head(model: Any) -> None:
    """Let the backbone of a causal language model return its hidden states at the tokens `loss_at` only.

    They are of shape (1, targets, size): TRL's fused head scores them against `shift_labels`.
    """
    backbone = model.base_model
    whole = backbone.forward

    @wraps(whole)
    def forward(*given: Any, loss_at: torch.Tensor | None = None, **more: Any) -> Any:
        outputs = whole(*given, **more)
        if loss_at is not None:
            outputs.last_hidden_state = outputs.last_hidden_state.flatten(0, 1)[loss_at].unsqueeze(0)
        return outputs

    backbone.forward = forward


# Training -------------------------------------------------------------------------------------------------------------
class SharedPrefixTrainer(SFTTrainer):
    """TRL's trainer on batches of SharedPrefixCollator: one batch is one optimizer step."""

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """The loss of a step. All passes but the last have then gone backward; the Trainer does so with that one."""
        if return_outputs or num_items_in_batch is None:
            raise RuntimeError("Batches of shared prefixes are for training: they have no logits and no evaluation.")
        scale = 1 / torch.as_tensor(num_items_in_batch).clamp(min=1)
        if self.args.average_tokens_across_devices:  # num_items_in_batch is of all processes; gradients are averaged
            scale = scale * self.accelerator.num_processes
        step = _Step(self.accelerator, model, scale)
        loss = step.loss_of(inputs["passes"])
        learned, entropy, correct = self.accelerator.gather_for_metrics(step.sums.unsqueeze(0)).sum(0).tolist()
        metrics: Any = self._metrics["train"]
        metrics["entropy"].append(entropy / learned)
        metrics["mean_token_accuracy"].append(correct / learned)
        return loss


class _Kept:
    """Keys and values of a pass, as the passes below it see them."""

    def __init__(self) -> None:
        self.layers: dict[int, KeysValues] = {}
        self.leaves: dict[int, KeysValues] = {}
        """For passes that go backward before this one: their gradients gather here."""

    def joined(self) -> dict[int, KeysValues]:
        """For the last pass below, which goes backward with this one: with the gradients of the leaves."""
        joined = {}
        for layer, (key, value) in self.layers.items():
            leaves = (key.detach().requires_grad_(), value.detach().requires_grad_())
            self.leaves[layer] = leaves
            joined[layer] = (_add_gradient(key, leaves[0]), _add_gradient(value, leaves[1]))
        return joined


class _AddGradient(torch.autograd.Function):
    """The same tensor; its gradient is increased by the one that a leaf has by then."""

    @staticmethod
    def forward(ctx: Any, tensor: torch.Tensor, leaf: torch.Tensor) -> torch.Tensor:
        ctx.leaf = leaf
        return tensor.view_as(tensor)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return (gradient if ctx.leaf.grad is None else gradient + ctx.leaf.grad), None


_add_gradient: Any = _AddGradient.apply


class _Step:
    """The passes of one optimizer step."""

    def __init__(self, accelerator: Any, model: Any, scale: torch.Tensor) -> None:
        self._accelerator = accelerator
        self._model = model
        self._scale = scale.to(accelerator.device)
        self.sums = torch.zeros(3, device=accelerator.device)
        """Tokens learned, their entropy, and how many of them were the likeliest, over all examples."""

    def loss_of(
        self,
        batches: Sequence[PassBatch],
        above: Sequence[dict[int, KeysValues]] = (),
        kept_above: Sequence[_Kept] = (),
        *,
        final: bool = True,
    ) -> torch.Tensor:
        """The loss of passes and of those below them. All but the last of them have gone backward then.

        The last one sees `above`, the others the leaves of `kept_above`. `final`: the step ends with these passes.
        """
        done = torch.zeros((), device=self._accelerator.device)
        for batch in batches[:-1]:
            loss = self._with_children(batch, [kept.leaves for kept in kept_above], kept_above, final=False)
            with self._accelerator.no_sync(self._model), torch.autocast(loss.device.type, enabled=False):
                self._accelerator.backward(loss)
            done = done + loss.detach()
        return done + self._with_children(batches[-1], above, kept_above, final=final)

    def _with_children(
        self, batch: PassBatch, seen: Sequence[dict[int, KeysValues]], kept_above: Sequence[_Kept], *, final: bool
    ) -> torch.Tensor:
        if not batch.children:
            with contextlib.nullcontext() if final else self._accelerator.no_sync(self._model):
                return self._forward(batch, seen)
        kept = _Kept()
        with self._accelerator.no_sync(self._model):
            loss = self._forward(batch, seen, kept.layers)
        return loss + self.loss_of(batch.children, [*seen, kept.joined()], [*kept_above, kept], final=final)

    def _forward(
        self, batch: PassBatch, seen: Sequence[dict[int, KeysValues]], kept: dict[int, KeysValues] | None = None
    ) -> torch.Tensor:
        outputs = self._model(
            input_ids=batch.input_ids,
            position_ids=batch.position_ids,
            loss_at=batch.loss_at,
            shift_labels=batch.targets.unsqueeze(0),
            shared_prefix=View(batch.spans, seen, kept),
            use_cache=False,
            fused_lm_head=True,
        )
        weights = batch.weights
        measured = (torch.ones_like(weights), outputs.entropy[0].detach(), outputs.is_top1[0])
        self.sums += torch.stack([(weights * one).sum() for one in measured])
        loss: torch.Tensor = -(weights * outputs.log_probs[0]).sum() * self._scale
        return loss


ALIKE = {torch.bfloat16: 0.05, torch.float16: 0.02}
"""How far hidden states may differ by rounding, relative to their norm; 0.001 for other types."""


def set_attention(model: Any, name: str) -> None:
    """Set a loaded model to the attention over trees. TrainingError unless it then computes what it computed before."""
    size = model.get_input_embeddings().num_embeddings
    tokens = torch.randint(size, (48,), generator=torch.Generator().manual_seed(0)).tolist()
    rows = [tokens[:24] + tokens[end - 8 : end] for end in (32, 40, 48)] + [tokens[:28]]
    (one,) = passes(grow(rows, shortest=4), len(rows))
    batch = _tensors(one, rows, rows).to(model.device)
    model.eval()
    with torch.no_grad():
        ids = (torch.tensor([row], device=model.device) for row in rows)
        alone = [model.base_model(row, use_cache=False).last_hidden_state[0].float() for row in ids]
        model.set_attn_implementation(NAME)
        given = {"position_ids": batch.position_ids, "shared_prefix": View(batch.spans), "use_cache": False}
        together = model.base_model(batch.input_ids, **given).last_hidden_state[0].float()
    nodes = [segment.node for segment in one.segments]
    expected = torch.cat([alone[node.examples[0]][node.begin : node.end] for node in nodes])
    error = ((together - expected).norm() / expected.norm()).item()
    if not error < ALIKE.get(model.dtype, 0.001):
        raise TrainingError(
            f"The attention of {name} cannot be computed over shared prefixes: its hidden states become others (by "
            f"{100 * error:.1f} %). Use --batching shuffled."
        )
