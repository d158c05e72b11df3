"""A synthetic episode of the size and habits of a real one: text observations, four model calls and a notebook.

Each step LOG searches the notebook, then appends (now and then upserts) a line; PLAN reads the tail, then acts.
The same seed gives the same records.
"""

from collections.abc import Iterator
from random import Random

from traces.records import Conversation, Message, ModelCall, OperationRecord, StepRecord

THINGS = ("water", "sand", "tree", "grass", "stone", "path", "coal", "iron", "cow", "zombie", "table", "plant")
ACTIONS = ("Noop", "Move West", "Move East", "Move North", "Move South", "Do", "Sleep", "Place Stone", "Place Table")
SYSTEM = "You play a survival game, and keep a notebook of files.\n\n" + "\n\n".join(
    f"## Rule {number}\nRule number {number} says how operation {number} is written and when it is of use, at length.\n"
    f"Its form is <|OPERATION_{number}|>file|text<|END|> and it is allowed in the routine it was made for."
    for number in range(20)
)
FILES = ("map_notes.md", "progress.md", "survival_log.md", "actions_log.md", "strategy.md")


class SyntheticEpisode:
    """Yields the records of an episode; `recalled` is the most lines a recall returns, `told` the words per reply."""

    def __init__(self, seed: int = 0, *, recalled: int = 20, told: int = 20) -> None:
        self._random = Random(seed)
        self._recalled, self._told = recalled, told
        self._notes: list[tuple[int, str, int, int]] = []  # number, line, step, revision
        self._holding: dict[str, list[tuple[int, str, int, int]]] = {thing: [] for thing in THINGS}
        self._revision = 0
        self._position = [32, 32]
        self._vitals = [9, 9, 9, 9]
        self._items: dict[str, int] = {}
        self._unlocked: list[str] = []

    def records(self, steps: int) -> Iterator[StepRecord]:
        """Yield `steps` records."""
        before, action = self._observation(), "Noop"
        for step in range(1, steps + 1):
            observation = self._observation()
            log = self._log(step, before, action, observation)
            plan, chosen = self._plan(step, action, observation)
            self._live(step)
            calls = [*log.calls, *plan.calls]
            yield StepRecord(
                step=step,
                observation=observation,
                action=chosen,
                chosen=chosen,
                notices=["You have been here before: nothing new was seen for 5 steps."] if step % 7 == 0 else [],
                conversations=[log, plan],
                reward=1.0 if step % 90 == 0 else 0.0,
                truncated=step == steps,
                info={
                    "progression": len(self._unlocked) / 22,
                    "statistics": {"achievements": list(self._unlocked), "health": self._vitals[0]},
                    "end_reason": None,
                },
                tokens={
                    "prompt": sum(call.prompt_tokens or 0 for call in calls),
                    "completion": sum(call.completion_tokens or 0 for call in calls),
                    "cached": 0,
                },
                model_calls=len(calls),
                latency_s=self._random.random(),
                revision=self._revision,
            )
            before, action = observation, chosen

    def _observation(self) -> dict[str, str]:
        seen = self._random.sample(THINGS, self._random.randint(3, 7))
        sides = ("north", "south", "west", "east", "north-west", "south-west", "north-east", "south-east")
        lines = [f"- {one} {self._random.randint(2, 8)} steps to your {self._random.choice(sides)}" for one in seen]
        items = "\n".join(f"- {name}: {count}" for name, count in self._items.items())
        vitals = zip(("health", "food", "drink", "energy"), self._vitals, strict=True)
        return {
            "long": "You see:\n" + "\n".join(lines) + f"\n\nYou face {self._random.choice(THINGS)} at your front.",
            "short": "Your status:\n"
            + "\n".join(f"- {name}: {value}/9" for name, value in vitals)
            + (f"\n\nYour inventory:\n{items}" if items else "\n\nYou have nothing in your inventory."),
        }

    def _live(self, step: int) -> None:
        self._position[self._random.randrange(2)] += self._random.choice((-1, 1))
        if step % 25 == 0:
            self._vitals[self._random.randrange(4)] = self._random.randint(4, 9)
        if step % 10 == 0:
            self._items[self._random.choice(("wood", "stone", "coal", "iron", "sapling"))] = self._random.randint(1, 9)
        if step % 90 == 0 and len(self._unlocked) < 22:
            self._unlocked.append(f"achievement_{len(self._unlocked)}")

    def _words(self, count: int) -> str:
        return " ".join("".join(self._random.choices("abcdefghijklmnoprstuw", k=5)) for _ in range(count))

    def _now(self, observation: dict[str, str]) -> str:
        index = "\n".join(f"- {name} ({len(self._notes) if name == FILES[3] else 7} lines)" for name in FILES)
        return f"## Now\n{observation['long']}\n\n{observation['short']}\n\n## Notebook\n{index}\n"

    def _log(self, step: int, before: dict[str, str], action: str, now: dict[str, str]) -> Conversation:
        user = f"LOG step {step}\n\n## Before\n{before['long']}\n\n{before['short']}\n\n## Action sent\n{action}\n\n"
        keyword = self._random.choice(THINGS)
        recall, answer = self._recall("search", {"file": "actions_log.md", "keyword": keyword})
        note = f"step {step}: {action} at {self._position[0]},{self._position[1]}, {self._words(4)} {keyword}"
        self._revision += 1
        self._notes.append((len(self._notes) + 1, note, step, self._revision))
        for thing in THINGS:
            if thing in note:
                self._holding[thing].append(self._notes[-1])
        first = f"{self._words(self._told)}\n\n<|SEARCH|>actions_log.md|{keyword}<|END|>"
        second = f"{self._words(self._told)}\n\n<|APPEND|>actions_log.md|{note}<|END|>\n<|DONE|>"
        append = OperationRecord(
            call=1,
            operation="append",
            arguments={"file": "actions_log.md", "text": note},
            outcome="written",
            file="actions_log.md",
            lines=(len(self._notes),),
            total=1,
            revision=self._revision,
        )
        done = OperationRecord(call=1, operation="done", outcome="done")
        return self._conversation("LOG", user + self._now(now), first, answer, second, [recall, append, done])

    def _plan(self, step: int, action: str, now: dict[str, str]) -> tuple[Conversation, str]:
        user = f"PLAN step {step}\n\n## Action sent\n{action}\n\n{self._now(now)}"
        recall, answer = self._recall("tail", {"file": "actions_log.md", "lines": self._recalled})
        chosen = self._random.choice(ACTIONS)
        first = f"{self._words(self._told)}\n\n<|TAIL|>actions_log.md|{self._recalled}<|END|>"
        second = f"{self._words(self._told)}\n\n<|ACTION|>{chosen}<|END|>"
        act = OperationRecord(call=1, operation="act", arguments={"action": chosen}, outcome="act")
        return self._conversation("PLAN", user, first, answer, second, [recall, act]), chosen

    def _recall(self, operation: str, arguments: dict[str, object]) -> tuple[OperationRecord, str]:
        keyword = arguments.get("keyword")
        found = self._holding[str(keyword)] if keyword else self._notes
        shown = found[-self._recalled :]
        title = "|".join(map(str, arguments.values()))
        text = "\n".join(note for _, note, _, _ in shown) or "nothing found"
        record = OperationRecord(
            call=0,
            operation=operation,
            arguments=arguments,
            outcome="hit" if shown else "empty",
            file="actions_log.md",
            lines=tuple(number for number, _, _, _ in shown),
            provenance=tuple((step, revision) for _, _, step, revision in shown),
            total=len(found),
            revision=self._revision,
        )
        return record, f"RESULTS\n\n### {operation.upper()} {title}\n{text}\n\n{len(shown)} of {len(found)} lines.\n"

    def _conversation(
        self, routine: str, user: str, first: str, answer: str, second: str, operations: list[OperationRecord]
    ) -> Conversation:
        messages: list[Message] = [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": user},
            {"role": "assistant", "content": first},
            {"role": "user", "content": answer},
            {"role": "assistant", "content": second},
        ]
        calls = [self._call(messages, 2), self._call(messages, 4)]
        return Conversation(routine, "memory", "vllm:Qwen/Qwen2.5-32B-Instruct", messages, calls, operations)

    def _call(self, messages: list[Message], prompt_length: int) -> ModelCall:
        return ModelCall(
            prompt_length=prompt_length,
            prompt_tokens=sum(len(message["content"]) for message in messages[:prompt_length]) // 4,
            completion_tokens=len(messages[prompt_length]["content"]) // 4,
            latency_s=self._random.random(),
            finish_reason="stop",
            seed=self._random.randrange(2**31),
        )
