"""What a step of NetHack costs, for the table of docs/scale.md: CPU, bytes, calls, tokens, prefix cache.

    python benchmarks/scale.py [--episodes 8] [--steps 300]

Promises nothing. The scripted player answers from a process of its own, whose CPU is not counted. CPU is that of the
harness and of the worlds' processes, as the difference between long and short episodes, so that starting costs nothing.
Tokens are SmolLM2's (no tokenizer of a larger model is at hand offline); a model that reasons writes more of them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import time

from served_episodes import Played, play_side_by_side, scripted_server
from trace_growth import uncovered_share

WORLD = "nethack"
SHORT = 20
"""Steps of the episodes that are taken off."""


def cpu_s() -> float:
    """Seconds of CPU of this process and of the children that have ended: the worlds' processes."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def play(url: str, episodes: int, steps: int) -> tuple[Played, float]:
    """Episodes side by side, and the CPU that they took from beginning to end."""
    before = cpu_s()
    played = asyncio.run(play_side_by_side(url, episodes, steps, warm_up=0, first_seed=0, world=WORLD))
    return played, cpu_s() - before


def figures(played: Played) -> dict[str, float]:
    """Per step, from the traces: bytes, calls, tokens; and the share of the prompts that no earlier one began with."""
    from tokenizers import Tokenizer

    from chat_models.embedded_weights import get_weights
    from traces import TraceReader

    tokenizer = Tokenizer.from_file(str(get_weights() / "tokenizer.json"))
    total: dict[str, float] = dict.fromkeys(("calls", "prompt", "completion", "fresh", "characters"), 0.0)
    for folder in played.folders:
        prompts = []
        with TraceReader(folder) as reader:
            for record in reader:
                for talk in record.conversations:
                    total["calls"] += len(talk.calls)
                    prompts += [talk.prompt(call) for call in range(len(talk.calls))]
                    said = [json.dumps(one) for one in talk.messages if one["role"] == "assistant"]
                    total["completion"] += sum(len(one.ids) for one in tokenizer.encode_batch(said))
        texts = [json.dumps(prompt, ensure_ascii=False) for prompt in prompts]
        fresh, characters = uncovered_share(texts)
        total["fresh"], total["characters"] = total["fresh"] + fresh, total["characters"] + characters
        total["prompt"] += sum(len(one.ids) for one in tokenizer.encode_batch(texts))
    files = {"trace": "steps", "journal": "journal"}
    sizes = {
        name: sum(getattr(one, path).stat().st_size for one in played.folders if getattr(one, path).exists())
        for name, path in files.items()
    }
    per_step = {name: value / played.steps for name, value in {**total, **sizes}.items() if name not in ("fresh",)}
    return {**per_step, "fresh share": total["fresh"] / total["characters"]}


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=8)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--serve", action="store_true", help="only answer as the scripted player")
    asked = parser.parse_args()
    if asked.serve:
        with scripted_server(WORLD) as url:
            print(url, flush=True)
            time.sleep(10_000)
        return
    with subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True) as serving:
        try:
            assert serving.stdout is not None
            url = serving.stdout.readline().strip()
            runs = [play(url, asked.episodes, steps) for steps in (SHORT, asked.steps)]
        finally:
            serving.kill()
    (_, spent), (played, _) = runs
    ((few, short), (many, long)) = runs
    print(f"{WORLD}: {played.steps} steps of {asked.episodes} episodes side by side, scripted player")
    print(
        f"CPU per step: {1e3 * (long - short) / (many.steps - few.steps):.2f} ms; to begin and end an episode: ", end=""
    )
    print(f"{spent / asked.episodes:.2f} s (with its first {SHORT} steps)")
    for name, value in figures(played).items():
        print(f"{name}: {value:.4g}" + ("" if name == "fresh share" else " per step"))


if __name__ == "__main__":
    main()
