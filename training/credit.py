"""Credit of memory operations: rewards traced back through recalled lines to the operations that wrote them.

For every recalled line the notebook records which revision, and so which operation, wrote it. With that:

value     V(t) of the PLAN at step t is the reward that followed it: the sum over u = t … t + horizon of
          discount^(u - t) x max(reward of step u, 0). The action that PLAN commits is rewarded at step t itself.
recall    The lines that a PLAN's recalls returned and that the agent wrote itself (no seed file, no file kept by hooks)
          share V(t) equally; each recall earns the shares of the lines that it returned.
record    A record operation earns the shares of the lines it wrote, in every PLAN that recalls them: of a line that
          a later rewrite of the file left unchanged, the operation that first wrote it.

So a PLAN distributes V(t) once over its recalls and once over the records behind them. A PLAN that read a hundred lines
to use one gives each a hundredth. What is never recalled, or never before a reward, earns nothing. Negative rewards,
such as a penalty per step, count as 0.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from traces import OperationRecord, StepRecord

OperationKey = tuple[int, int, int]
"""(step, index of the conversation in the step, index of the operation in the conversation)."""


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
    """A PLAN whose rewards are still being collected."""

    step: int
    recalled: list[tuple[OperationKey, list[int]]]
    """Of each recall, the revisions that wrote the agent's own lines among those it returned, one a line."""
    value: float = 0.0
    weight: float = 1.0


@dataclass(slots=True)
class _Accounts:
    """The operation that wrote each revision, and what each operation has earned so far."""

    writers: dict[int, OperationKey] = field(default_factory=dict)
    earned: dict[OperationKey, float] = field(default_factory=dict)

    def add(self, key: OperationKey, share: float) -> None:
        self.earned[key] = self.earned.get(key, 0.0) + share


def credits(steps: Iterable[StepRecord], rule: CreditRule | None = None) -> dict[OperationKey, float]:
    """What each operation of an episode earned; operations that earned nothing are left out.

    `steps`: the whole episode in order. Holds a horizon's worth of PLANs and an entry per write in memory.
    """
    rule = rule or CreditRule()
    accounts = _Accounts()
    waiting: deque[_Plan] = deque()
    for record in steps:
        plan = _read(record, accounts)
        if plan.recalled:
            waiting.append(plan)
        reward = max(record.reward, 0.0)
        for one in waiting:
            one.value += one.weight * reward
            one.weight *= rule.discount
        while waiting and record.step - waiting[0].step >= rule.horizon:
            _distribute(waiting.popleft(), accounts)
    while waiting:
        _distribute(waiting.popleft(), accounts)
    return accounts.earned


def _read(record: StepRecord, accounts: _Accounts) -> _Plan:
    """Register the writes of a step; return what its PLAN recalled."""
    plan = _Plan(record.step, [])
    for index, conversation in enumerate(record.conversations):
        for number, operation in enumerate(conversation.operations):
            key = (record.step, index, number)
            if operation.outcome == "written":
                accounts.writers[operation.revision] = key
            elif conversation.routine == "PLAN" and (own := list(_own_lines(operation, accounts))):
                plan.recalled.append((key, own))
    return plan


def _own_lines(operation: OperationRecord, accounts: _Accounts) -> Iterator[int]:
    """The revision behind each returned line that one of the agent's own operations wrote."""
    return (revision for _, revision in operation.provenance if revision in accounts.writers)


def _distribute(plan: _Plan, accounts: _Accounts) -> None:
    if plan.value <= 0:
        return
    share = plan.value / sum(len(own) for _, own in plan.recalled)
    for recall, own in plan.recalled:
        accounts.add(recall, share * len(own))
        for revision in own:
            accounts.add(accounts.writers[revision], share)
