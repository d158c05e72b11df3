"""A desk for an agent: three tools that note what was done, and the conversation in which they are used."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.tools import BaseTool, tool

from chat_models import Retry
from graphs.agent.loop import AgentLimits, AgentRun, run_agent

ONCE = Retry(attempts=1)


class Desk:
    """Tools that note what was done, and the conversation they are used in."""

    def __init__(self, folder: Path) -> None:
        self.transcript = folder / "talk.jsonl"
        self.done: list[str] = []

    def tools(self) -> list[BaseTool]:
        done = self.done

        @tool
        def note(text: str) -> str:
            """Note something."""
            time.sleep(0.02 if text == "slow" else 0)
            done.append(text)
            return f"noted {text}"

        @tool
        def fail(how: str) -> str:
            """Fail."""
            done.append(how)
            if how == "bug" or done.count(how) == 1:
                raise {"disk": OSError(28, "No space left on device"), "bug": KeyError("x")}[how]
            return "mended"

        @tool
        def tell(characters: int = 10) -> str:
            """Tell so much."""
            return "t" * characters

        return [note, fail, tell]

    def run(self, model: BaseChatModel, message: str = "do it", **limits: Any) -> AgentRun:
        given = AgentLimits(**{"retry": ONCE, **limits})
        return asyncio.run(
            run_agent(model, self.tools(), system="be good", message=message, transcript=self.transcript, limits=given)
        )

    def lines(self) -> list[tuple[str, str]]:
        read = [json.loads(line) for line in self.transcript.read_text().splitlines()]
        return [(line["type"], line["data"]["content"]) for line in read]


def noted(*texts: str) -> list[tuple[str, dict[str, Any]]]:
    """Calls that note these texts."""
    return [("note", {"text": text}) for text in texts]
