"""automem view: the page over all runs below a folder, served to a browser on this machine."""

from __future__ import annotations

import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from graphs.settings import SettingsError

try:
    from view.library import PORT
    from view.server import serve
except ModuleNotFoundError as missing:
    if missing.name not in ("starlette", "uvicorn"):
        raise
    raise SettingsError("automem view needs the extra `view`: pip install 'automem-langgraph[view]'.") from missing


def view(
    folder: Annotated[Path, typer.Argument(help="Folder with runs, or one run.")] = Path("runs"),
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port to serve on; 0: any that is free.")] = PORT,
    host: Annotated[str, typer.Option(help="Address to serve on; one that others reach needs --token.")] = "127.0.0.1",
    token: Annotated[str | None, typer.Option(help="What a browser must give once: open the printed address.")] = None,
    browser: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
) -> None:
    """Serve a page over all runs, live: tables, comparisons, every step, search, and your judgement of it."""

    def ready(address: str) -> None:
        typer.echo(f"serving {folder} at {address} (stop with Ctrl+C)")
        if browser:
            webbrowser.open(address)

    serve(folder, host, port, token, ready)
