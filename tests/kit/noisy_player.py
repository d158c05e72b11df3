"""A player of the vault with sampling noise: it slips at the dial, by luck that hangs on the seed and the prompt."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar
from unittest.mock import patch

from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatResult

from chat_models.scripted_player import ScriptedPlayer
from graphs.inner_agent import opening
from worlds.scripted_world import DIGITS

UNREAD = "corridor.md"
"""Where it notes that one guess is left; it never reads the file, but each prompt shows how large it is."""
SLIP = 0.2
"""Probability of a wrong digit at each press of the last guess: half of the doors open."""
_PRESS = re.compile(r"Press (\d)")


class NoisyPlayer(ScriptedPlayer):
    """The scripted player with noise, as a language model has it: another prompt, other luck. It wastes two guesses, so
    that little is played after its unread note."""

    takes_seed: ClassVar[bool] = True

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        result = super()._generate(messages, stop, run_manager, **kwargs)
        message, asked = result.generations[0].message, messages[1].text
        now = asked.partition("## Now")[2]
        last = "Wrong codes: 2 of 3" in now
        if asked.lstrip().startswith("LOG") and last and "Dialled: nothing" in now:
            message.content = f"<|APPEND|>{UNREAD}|one guess is left<|END|>\n{message.content}"
        chance = random.Random(f"{kwargs.get('seed')} {[one.text for one in messages]}")
        if not last or chance.random() < SLIP:
            message.content = _PRESS.sub(lambda found: f"Press {_other(found[1])}", str(message.content))
        return result


def _other(digit: str) -> str:
    return DIGITS[DIGITS.index(digit) - 1]


@contextmanager
def noisy() -> Iterator[None]:
    """While it lasts, `scripted` is the noisy player."""
    opening._built.cache_clear()
    with patch("chat_models.scripted_player.ScriptedPlayer", NoisyPlayer):
        yield
    opening._built.cache_clear()
