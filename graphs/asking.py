"""Asking a person: how the answer is read, and kept so that nobody is asked the same thing twice."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from langgraph.types import interrupt

from traces.plain_json import read_file, write_file

HOW = 'Answer yes, or no with a reason in plain words; {"approve": false, "reason": "…"} is understood, too.'


def approved(
    answers: Path, step: str, digest: str, question: str, yes: str, no: str, facts: Mapping[str, Any]
) -> tuple[bool, str]:
    """A person's answer, and their reason: asked for (LangGraph's interrupt) once, then kept in the file `answers`.

    An answer at a `step` holds for the very thing it was given for, told by `digest`. `yes` and `no` say what follows
    from each answer, `facts` what to judge by. An answer that cannot be read is asked for again.
    """
    kept = read_file(answers) if answers.exists() else {}
    known = kept.get(step)
    if known is None or known["digest"] != digest:
        full = {"ask": question, "answers": {"yes": yes, "no": no}, "how": HOW, "step": step, **facts}
        answer = read_answer(interrupt(full))
        while answer is None:
            again = {**full, "ask": f"{question} The last answer was neither yes nor no."}
            answer = read_answer(interrupt(again))
        known = {"approve": answer[0], "reason": answer[1], "digest": digest}
        write_file(answers, {**kept, step: known})
    return bool(known["approve"]), str(known["reason"])


def read_answer(answer: object) -> tuple[bool, str] | None:
    """(approved, reason) of an answer in any of its forms; None if it is neither yes nor no."""
    reason = ""
    if isinstance(answer, Mapping):
        reason = str(answer.get("reason") or "")
        answer = answer.get("approve")
    if isinstance(answer, str):
        word, _, rest = answer.strip().partition(" ")
        answer = {"yes": True, "y": True, "true": True, "no": False, "n": False, "false": False}.get(
            word.lower().rstrip(",.:;!")
        )
        reason = reason or rest.strip()
    return (answer, reason) if isinstance(answer, bool) else None
