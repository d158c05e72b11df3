"""A report of names, models and causes full of markup shows them as text, in the page, in Markdown and in figures."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from report_runs import lay_out_run

from cli.report import report
from cli.report_page.writing import in_markdown

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = Path("/usr/bin/chromium")
SCRIPT = "<script>document.title='taken'</script><img src=x onerror=document.title='taken'>"
NASTY = f"{SCRIPT}\"' $x^2$ | `a` [b](javascript:c) \x1b[31m\u202e漢字 {{{{ 7*7 }}}} --> ]]> &amp;"


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    name = NASTY.replace("/", "").replace("\x1b", "")[:100]
    pairs: dict[tuple[str, int], float | None] = {(f"<b>{seed}|", seed): 0.1 * seed for seed in range(1, 7)}
    runs = [
        lay_out_run(folder / "calm", pairs, model="vllm:calm"),
        lay_out_run(
            folder / name, pairs, model=f"vllm:{NASTY}", cause=NASTY + "x" * 100_000, fates={("<b>1|", 1): "failed"}
        ),
    ]
    report(runs, folder / "out")
    return folder / "out"


class Elements(HTMLParser):
    """The elements of a page, and what their attributes are called."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes.update(name for name, _ in attrs)


def test_nothing_hostile_becomes_markup_in_the_page(out: Path) -> None:
    page = (out / "report.html").read_text()
    found = Elements()
    found.feed(page)
    ours = "html head meta title style body header p h1 div ul li a main section h2 h3 table thead tr th tbody span td"
    assert found.names == {*ours.split(), "small", "figure", "img", "svg", "circle", "figcaption", "details", "summary"}
    known = "lang charset http-equiv content name class aria-label href id tabindex role scope colspan src alt"
    assert found.attributes == {*known.split(), "viewbox", "aria-hidden", "cx", "cy", "r"}
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert "{{ 7*7 }}" in page
    assert "x" * 1_000 not in re.sub(r'src="data:[^"]*"', "", page)
    assert "default-src 'none'; style-src 'sha256-" in unescape(page)


def test_nothing_hostile_becomes_markup_in_markdown(out: Path) -> None:
    told = (out / "report.md").read_text()
    assert set(re.findall(r"</?(\w+)", told)) == {"br", "sub", "details", "summary"}
    assert not re.search(r"(?<!\\)\]\(javascript", told)
    assert "\\[b\\](javascript:c)" in told
    for table in re.findall(r"(?:^\|.*\n)+", told, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1


def test_nothing_hostile_becomes_markup_in_a_figure(out: Path) -> None:
    for path in (out / "figures").glob("*.svg"):
        assert "<script" not in path.read_text()


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("vllm:Qwen/Qwen2.5-32B", "vllm:Qwen/Qwen2.5-32B"),
        ("a|b\n*c*", "a\\|b \\*c\\*"),
        ("1. <b>&", "1. &lt;b&gt;&amp;"),
        ("# no", "\\# no"),
    ],
)
def test_markdown_is_escaped_where_it_must_be_and_legible_elsewhere(text: str, escaped: str) -> None:
    assert in_markdown(text) == escaped


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip("there is no /usr/bin/chromium to look at the page with")
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    with sync_playwright() as play:
        chromium = play.chromium.launch(executable_path=str(CHROMIUM), args=flags)
        yield chromium
        chromium.close()


@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")])
def test_a_browser_shows_it_as_text_with_every_figure_and_no_sideways_scrolling(
    out: Path, browser: Browser, width: int, scheme: str
) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type]
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.goto((out / "report.html").as_uri())
    assert page.title().endswith("AutoMem report")
    assert "<script>document.title='taken'</script>" in page.inner_text("body")
    assert page.locator("script").count() == 0
    assert page.evaluate("[...document.images].every(one => one.complete && one.naturalWidth > 200)")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert complaints == []
    page.close()
