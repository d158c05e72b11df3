"""Which line, written long ago, was recalled shortly before something was gained: what a replay page points out.

It says what came before what. That a line was of use is likelier the fewer lines were recalled with it and the more it
has to do with what was gained; this cannot be known for sure.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from traces.replay_timeline import Gain, Recalled

AGE = 20
"""Steps between writing a line and recalling it: what is younger might as well have been in sight."""

FEW = 3
"""So few lines were asked for on purpose, whatever they say."""

TEXT = 200
"""Characters of a line that are shown."""

_WORD = re.compile(r"[a-z]{3,}")


@dataclass(frozen=True, slots=True)
class Arc:
    """Written at one step, recalled at a later one, and then something was gained."""

    written: int
    recalled: int
    gained: int
    what: str
    reward: float
    file: str
    operation: str
    text: str


def arcs(gains: Sequence[Gain], texts: Mapping[Recalled, Sequence[str]]) -> list[Arc]:
    """Return the arc of each gain that has one. `texts`: what the recalled lines said."""
    kinds = Counter(_words(name)[0] for gain in gains for name in gain.new if len(_words(name)) > 1)
    found = (_arc(gain, _things(gain, kinds), texts) for gain in gains)
    return [one for one in found if one is not None]


def _things(gain: Gain, kinds: Counter[str]) -> set[str]:
    """The words of what was gained, without a first word that several names share: it names the kind, not the thing."""
    if not gain.new:
        return set(_words(gain.action))
    things: set[str] = set()
    for name in gain.new:
        words = _words(name)
        things |= set(words[1:] if words and kinds[words[0]] > 1 else words)
    return things


def _arc(gain: Gain, things: set[str], texts: Mapping[Recalled, Sequence[str]]) -> Arc | None:
    """The arc of a gain, None where no line fits.

    A line must share a word with what was gained, or be one of at most FEW recalled together. Of several, the one
    that shares the rarest words; then the one recalled with the fewest others; then the oldest.
    """
    common = Counter(word for one in gain.recalls for line in texts.get(one, ()) for word in set(_words(line)))
    best: tuple[float, int, int] | None = None
    found: Arc | None = None
    for one in gain.recalls:
        for line, (step, _) in zip(texts.get(one, ()), one.provenance, strict=False):
            if one.step - step < AGE or not line.strip():
                continue
            shared = sum(1 / common[word] for word in things.intersection(_words(line)))
            if not shared and len(one.lines) > FEW:
                continue
            rank = shared, -len(one.lines), one.step - step
            if best is None or rank > best:
                what = ", ".join(gain.new[:3]) or gain.action
                best = rank
                found = Arc(step, one.step, gain.step, what, gain.reward, one.file, one.operation, line[:TEXT])
    return found


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())
