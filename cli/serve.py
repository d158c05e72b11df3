"""automem serve: one vLLM server for a base and its specialists; or adapters handed to one that runs already."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from chat_models.embedded_weights import NAME, get_weights
from training.base_model import folder_of
from training.serving import (
    RUNTIME_LORA,
    Server,
    find_program,
    load_adapter,
    serve_command,
    served_models,
    start,
    unload_adapter,
)


def serve(
    base: Annotated[str, typer.Option(help="OWNER/NAME, a folder, or embedded.")] = "",
    adapter: Annotated[list[str] | None, typer.Option(help="NAME=FOLDER: answer as NAME; may be repeated.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; adapters can be loaded by all who reach it.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port to listen on.")] = 8000,
    dtype: Annotated[str, typer.Option(help="Of the weights, as vLLM names it.")] = "auto",
    max_rank: Annotated[
        int | None, typer.Option(min=1, help="Room for adapters loaded later, up to this rank.")
    ] = None,
    vllm: Annotated[str | None, typer.Option(help="The vllm program. (default: found)")] = None,
    print_only: Annotated[bool, typer.Option("--print-only", help="Print the command, start nothing.")] = False,
    load: Annotated[list[str] | None, typer.Option(help="NAME=FOLDER: hand it to the server at --url.")] = None,
    unload: Annotated[list[str] | None, typer.Option(help="NAME: have the server at --url forget it.")] = None,
    url: Annotated[str, typer.Option(help="A running server, with /v1.")] = "http://127.0.0.1:8000/v1",
    more: Annotated[list[str] | None, typer.Argument(help="After --: arguments for vLLM.")] = None,
) -> None:
    """Serve base and specialists from one vLLM server; with --load, hand a running one an adapter."""
    if load or unload:
        _change(url, _named(load or []), unload or [])
        return
    if not base:
        raise typer.BadParameter("give --base MODEL to start a server, or --load NAME=FOLDER for one that runs.")
    path, name = _base(base)
    server = Server(path, _named(adapter or []), name, host, port, dtype, max_rank, more or ())
    typer.echo(f"{RUNTIME_LORA}=True {shlex.join(serve_command(server, vllm or 'vllm'))}")
    if print_only:
        return
    status = start(serve_command(server, find_program(vllm)), server, lambda line: typer.echo(line, err=True))
    raise typer.Exit(status if status >= 0 else 128 - status)


def _change(url: str, load: dict[str, Path], unload: list[str]) -> None:
    for name in unload:
        unload_adapter(url, name)
    for name, folder in load.items():
        load_adapter(url, name, folder)
    typer.echo(f"{url} answers as: {', '.join(served_models(url))}")


def _base(base: str) -> tuple[str, str | None]:
    """What vLLM is to load, and the name it shall answer to where that is not the same. TrainingError: no such base."""
    if base != "embedded":
        if Path(base).is_dir() or base.startswith(("/", "./", "../", "~")):  # any other name is vLLM's to find
            folder_of(base)
        return base, None
    return str(get_weights()), NAME


def _named(given: list[str]) -> dict[str, Path]:
    named: dict[str, Path] = {}
    for one in given:
        name, _, folder = one.partition("=")
        if not name or not folder or name in named or not name.isprintable() or " " in name:
            raise typer.BadParameter(f'"{one}" names no adapter: write NAME=FOLDER, each name once.')
        named[name] = Path(folder).expanduser()
    return named
