"""Credit: which memory operations helped, by following the lines of the notebook from who wrote them to what they paid.

The notebook knows of every recalled line which revision, and so which operation, wrote it. With that:

value     V(t) of the PLAN at step t is the reward that followed it: the sum over u = t … t + horizon of
          discount^(u - t) x max(reward of step u, 0). The action that PLAN commits is paid at step t itself.
recall    The lines that the agent wrote itself (seed files and hooks' files are nobody's merit) and that a PLAN's
          recalls returned share V(t) equally; each recall earns the shares of the lines that it returned.
record    A record operation earns the shares of the lines it wrote, in every PLAN that recalls them: of a line that
          stood untouched while a file was written anew, the operation that first wrote it.

So a PLAN gives away V(t) once to its recalls and once to the records behind them; a PLAN that read a hundred lines to
use one gives each a hundredth; what is never recalled, or never before a reward, earns nothing. Rewards below 0, such
as a penalty per step, are no merit of any line and count as 0.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from traces import OperationRecord, StepRecord

OperationKey = tuple[int, int, int]
"""Which operation: (step, index of the conversation in the step, index of the operation in the conversation)."""


@dataclass(frozen=True, slots=True)
class CreditRule:
    """How far a reward reaches back. By default a tenth of it is left after 22 steps, and nothing after 50."""

    discount: float = 0.9
    """Per step, in (0, 1]."""
    horizon: int = 50
    """Steps after the PLAN whose rewards still count."""

    def __post_init__(self) -> None:
        if not 0 < self.discount <= 1 or self.horizon < 0:
            raise ValueError(f"A discount is in (0, 1] and a horizon at least 0, not {self.discount}, {self.horizon}.")


@dataclass(slots=True)
class _Plan:
    """A PLAN that waits for the rewards after it: which of the agent's lines its recalls returned."""

    step: int
    recalled: list[tuple[OperationKey, list[int]]]
    """Of each recall, the revisions that wrote the agent's own lines among those it returned, one a line."""
    value: float = 0.0
    weight: float = 1.0


@dataclass(slots=True)
class _Ledger:
    """What is known so far: who wrote each revision, and what each operation has earned."""

    writers: dict[int, OperationKey] = field(default_factory=dict)
    earned: dict[OperationKey, float] = field(default_factory=dict)

    def give(self, key: OperationKey, share: float) -> None:
        self.earned[key] = self.earned.get(key, 0.0) + share


def credits(steps: Iterable[StepRecord], rule: CreditRule | None = None) -> dict[OperationKey, float]:
    """What each operation of an episode earned; operations that earned nothing are left out.

    `steps`: the whole episode in order. Memory: a horizon's worth of PLANs, and an entry per write.
    """
    rule = rule or CreditRule()
    ledger = _Ledger()
    waiting: deque[_Plan] = deque()
    for record in steps:
        plan = _read(record, ledger)
        if plan.recalled:
            waiting.append(plan)
        reward = max(record.reward, 0.0)
        for one in waiting:
            one.value += one.weight * reward
            one.weight *= rule.discount
        while waiting and record.step - waiting[0].step >= rule.horizon:
            _pay(waiting.popleft(), ledger)
    while waiting:
        _pay(waiting.popleft(), ledger)
    return ledger.earned


def _read(record: StepRecord, ledger: _Ledger) -> _Plan:
    """Note who wrote what in a step; return what its PLAN recalled."""
    plan = _Plan(record.step, [])
    for index, conversation in enumerate(record.conversations):
        for number, operation in enumerate(conversation.operations):
            key = (record.step, index, number)
            if operation.outcome == "written":
                ledger.writers[operation.revision] = key
            elif conversation.routine == "PLAN" and (own := list(_own_lines(operation, ledger))):
                plan.recalled.append((key, own))
    return plan


def _own_lines(operation: OperationRecord, ledger: _Ledger) -> Iterator[int]:
    """The revision behind each returned line that one of the agent's own operations wrote."""
    return (revision for _, revision in operation.provenance if revision in ledger.writers)


def _pay(plan: _Plan, ledger: _Ledger) -> None:
    if plan.value <= 0:
        return
    share = plan.value / sum(len(own) for _, own in plan.recalled)
    for recall, own in plan.recalled:
        ledger.give(recall, share * len(own))
        for revision in own:
            ledger.give(ledger.writers[revision], share)
