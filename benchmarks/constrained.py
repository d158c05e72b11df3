"""What holding the embedded model's replies to valid operations does to its mistakes and its speed.

    python benchmarks/constrained.py

Real weights, a first scaffold's real prompts: the opening messages of LOG and PLAN, answered once free and once held,
with the same seeds, in batches of eight. Promise: not one mistake in the replies that are held.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

import paths  # noqa: F401 - before anything of the repository
from embedded import prompts

from chat_models import ConfigurationError
from chat_models.embedded_engine import Engine, Reply, Request
from chat_models.embedded_spec import REPLY_TOKENS
from chat_models.embedded_weights import get_weights
from tools import Mistake, Vocabulary, dialect

STEPS = 12
"""Twenty-three turns: the first step has no LOG."""
BATCH = 8


@dataclass
class Tally:
    """What came of the replies of one kind."""

    replies: int = 0
    tokens: int = 0
    seconds: float = 0.0
    operations: int = 0
    cut: int = 0
    mistakes: Counter[str] = field(default_factory=Counter)

    def add(self, reply: Reply, vocabulary: Vocabulary) -> None:
        """Count one reply and what it reads as."""
        cut = reply.finish_reason == "length"
        message = {"role": "assistant", "content": reply.text}
        self.replies += 1
        self.tokens += reply.completion_tokens
        self.cut += cut
        for item in dialect("tags").read(message, vocabulary, truncated=cut).items:
            if isinstance(item, Mistake):
                self.mistakes[str(item.code)] += 1
            else:
                self.operations += 1

    def show(self, name: str) -> None:
        """Print the figures on one line."""
        print(
            f"  {name}: {self.operations} operations and {sum(self.mistakes.values())} mistakes in {self.replies} "
            f"replies {dict(self.mistakes)}; {self.tokens / self.replies:.0f} tokens a reply, {self.cut} cut"
        )


def vocabularies() -> dict[str, Vocabulary]:
    """LOG's and PLAN's, as an episode of the first scaffold has them."""
    from graphs.settings import default_scaffold
    from scaffolds import Scaffold
    from worlds import make_world

    world = make_world("crafter")
    scaffold = Scaffold.load(default_scaffold("crafter"))
    return {
        "LOG": scaffold.vocabulary("LOG", world.actions, notebook="on"),
        "PLAN": scaffold.vocabulary("PLAN", world.actions, notebook="on"),
    }


def measure(engine: Engine, pages: list[list[dict[str, str]]], *, held: bool) -> Tally:
    """Answer every page, in batches."""
    tally, words = Tally(), vocabularies()
    for start in range(0, len(pages), BATCH):
        batch = pages[start : start + BATCH]
        routines = [page[-1]["content"].split(" ", 1)[0] for page in batch]
        began = time.perf_counter()
        futures = [
            engine.submit(
                Request(
                    page,
                    limit=REPLY_TOKENS,
                    seed=start + index,
                    constraint=words[routine].reply_regex(REPLY_TOKENS) if held else None,
                )
            )
            for index, (page, routine) in enumerate(zip(batch, routines, strict=True))
        ]
        replies = [future.result() for future in futures]
        tally.seconds += time.perf_counter() - began
        for reply, routine in zip(replies, routines, strict=True):
            tally.add(reply, words[routine])
    return tally


def main() -> bool:
    """Print the figures; whether the promise is kept."""
    try:
        weights = get_weights()
    except ConfigurationError as error:
        print(f"constrained: not measured. {error}")
        return True
    engine = Engine(weights)
    pages = prompts(STEPS)
    for page in pages:  # so that both find the prompts computed
        engine.submit(Request(page, limit=1)).result()
    free, held = measure(engine, pages, held=False), measure(engine, pages, held=True)
    free.show("free")
    held.show("held")
    wrong = sum(held.mistakes.values())
    print(f"constrained: {wrong} mistakes in {held.replies} turns, {sum(free.mistakes.values())} without (promise 0)")
    ratio = (held.tokens / held.seconds) / (free.tokens / free.seconds)
    print(f"constrained: {ratio:.2f} x the tokens a second, {free.seconds / held.seconds:.2f} x the replies a second")
    return wrong == 0


if __name__ == "__main__":
    raise SystemExit(not main())
