"""Replay pages in a headless browser, and the episodes they are made of."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from synthetic_episode import SyntheticEpisode

from memory_fs import MemoryFS
from traces import EpisodeFolder, StepRecord, TraceWriter
from traces.records import Conversation, OperationRecord
from traces.replay import Shown, write_replay

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NO_BROWSER = "no Chromium on this machine: setup/system-packages.txt names the package"
_QUIET = ("--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update")
_ARGUMENTS = ["--no-sandbox", "--disable-gpu", *_QUIET, "--disable-sync"]


@contextmanager
def browsing() -> Iterator[Browser]:
    """A headless browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


def opened(page: Page, path: Path, link: str = "") -> Page:
    """The replay page at `path`, ready."""
    page.goto(f"file://{path}{link}")
    page.wait_for_selector("body[data-ready]", timeout=30_000)
    return page


def stands_at(page: Page, step: int) -> None:
    """Wait until the page shows a step."""
    page.wait_for_selector(f'body[data-step="{step}"]', timeout=10_000)


def synthetic(folder: Path, steps: int) -> EpisodeFolder:
    """A synthetic episode with its notebook's history, as large as a real model's."""
    episode = EpisodeFolder(folder)
    episode.create()
    with TraceWriter(episode) as writer, MemoryFS(episode.memory, journal=episode.journal) as notebook:
        for record in SyntheticEpisode().records(steps):
            for talk in record.conversations:
                for one in talk.operations:
                    if one.operation == "append":
                        notebook.mark(record.step, talk.routine)
                        notebook.append(str(one.file), str(one.arguments["text"]))
            writer.write(record)
    return episode


def scribbled(folder: Path, steps: int, seed: int = 0) -> EpisodeFolder:
    """An episode that does all a notebook can: appends, rewrites, moves, keyed lines, restores; and recalls them."""
    random = Random(seed)
    episode = EpisodeFolder(folder)
    episode.create()
    words = ["coal", "iron", "water", "tree", "cow"]
    with TraceWriter(episode) as writer, MemoryFS(episode.memory, journal=episode.journal) as notebook:
        notebook.seed({"rules.md": "never dig down\nkeep fed\n", "map.md": ""})
        for step in range(1, steps + 1):
            notebook.mark(step, "LOG")
            done = [_scribble(notebook, random, words, step) for _ in range(random.randint(0, 4))]
            talk = Conversation("LOG", "memory", "m", [{"role": "system", "content": "s"}], [], done)
            observation = {"long": f"room {step}", "short": ""}
            info = {"progression": step // 10 / 100}
            writer.write(
                StepRecord(step, observation, "Wait", conversations=[talk], info=info, revision=notebook.revision)
            )
    return episode


def _scribble(notebook: MemoryFS, random: Random, words: list[str], step: int) -> OperationRecord:
    file = random.choice(["map.md", "log.md", "rules.md"])
    text = f"{random.choice(words)} at {random.randint(0, 9)}"
    lines = (notebook.root / file).read_text().split("\n")[:-1] if (notebook.root / file).exists() else []
    kept = [line for line in lines if random.random() < 0.8]
    what = random.randrange(7)
    if what == 0:
        kept.insert(random.randint(0, len(kept)), text)
        result = notebook.write(file, "".join(f"{line}\n" for line in kept))
    elif what == 1:
        random.shuffle(kept)
        result = notebook.write(file, "".join(f"{line}\n" for line in kept))
    elif what == 2:
        result = notebook.upsert(file, random.choice(words), str(step))
    elif what == 3 and notebook.revision > 3 and random.random() < 0.3:
        result = notebook.restore(random.randint(1, notebook.revision))
    elif what < 5:
        result = notebook.append(file, f"{text} {step}")
    else:
        result = notebook.search(file, random.choice(words))
    return OperationRecord(
        call=0,
        operation=result.operation,
        arguments={"file": file, "text": text},
        outcome=str(result.outcome),
        file=result.file,
        lines=result.lines,
        provenance=tuple((one.step, one.revision) for one in result.provenance),
        total=result.total,
        revision=result.revision,
    )


def page_of(folder: Path, *episodes: EpisodeFolder, name: str = "replay.html") -> Path:
    """A page without frames."""
    path = folder / name
    shown = [Shown(one, f"run {number}", {"model": "m"}) for number, one in enumerate(episodes)]
    write_replay(path, "a world", shown, lambda _: None)
    return path


FAINT = """() => {
  const numbers = (colour) => {
    const context = Object.assign(document.createElement('canvas'), { width: 1, height: 1 }).getContext('2d');
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => [r, g, b].map((one) => one / 255)
    .map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4))
    .reduce((sum, one, at) => sum + one * [0.2126, 0.7152, 0.0722][at], 0);
  const ground = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = numbers(getComputedStyle(one).backgroundColor);
      if (colour[3] > 250) return colour;
    }
    return [255, 255, 255];
  };
  const texts = [...document.querySelectorAll('body *')].filter((one) => one.checkVisibility()
    && !one.closest('.unseen, [aria-hidden], svg, option')
    && [...one.childNodes].some((child) => child.nodeType === 3 && child.textContent.trim()));
  return texts.map((one) => {
    const [ink, paper] = [light(numbers(getComputedStyle(one).color)), light(ground(one))];
    const contrast = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
    const small = parseFloat(getComputedStyle(one).fontSize) < 11;
    return contrast < 4.5 || small ? `${one.className} ${one.textContent.slice(0, 30)} ${contrast.toFixed(2)}` : '';
  }).filter(Boolean);
}"""
"""Evaluates to the texts of a page that are too faint or too small to read: class, beginning, contrast."""

NAMELESS = """() => [...document.querySelectorAll('a, button, input, select, textarea, summary, [tabindex="0"]')]
  .filter((one) => one.checkVisibility())
  .filter((one) => !(one.getAttribute('aria-label') || [...one.labels || []].map((label) => label.textContent).join('')
    || (one.matches('input, select, textarea') ? '' : one.textContent) || one.title).trim())
  .map((one) => one.outerHTML.slice(0, 120))"""
"""Evaluates to the controls of a page that a screen reader has no name for."""

MISLED = """() => {
  const levels = [...document.querySelectorAll('h1, h2, h3, h4, h5')].filter((one) => !one.closest('dialog'))
    .map((one) => Number(one.tagName[1]));
  const skipped = levels.filter((level, at) => at && level > levels[at - 1] + 1).map((level) => `h${level} too deep`);
  const empty = [...document.querySelectorAll('[aria-hidden=""]')].map((one) => one.outerHTML.slice(0, 120));
  const alike = [...document.querySelectorAll('main p > a, main pre > a, main li > a, main td > a')]
    .filter((one) => one.checkVisibility() && !one.matches('.name, .result')
      && getComputedStyle(one).textDecorationLine !== 'underline');
  return [...(levels[0] === 1 ? [] : ['no h1']), ...skipped, ...empty, ...alike.map(String)];
}"""
"""Evaluates to what axe-core finds wrong and a browser does not: headings that skip a level, links in a text known by
their colour alone, aria-hidden without a value, which hides nothing."""
