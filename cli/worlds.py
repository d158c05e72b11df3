"""automem worlds: which there are, and what some of them need that no package brings."""

from __future__ import annotations

from typing import Annotated

import typer

worlds = typer.Typer(help="List the worlds; install what a world needs.", add_completion=False)


@worlds.callback(invoke_without_command=True)
def listed(context: typer.Context) -> None:
    """List the worlds; install what a world needs."""
    if context.invoked_subcommand is not None:
        return
    from worlds import world_entry, world_names

    for entry in map(world_entry, world_names()):
        typer.echo(f"{entry.name}: {entry.summary}")
        typer.echo(f"  tasks: {', '.join(entry.tasks)}")
        for option, values in entry.options.items():
            typer.echo(f"  {option}: {', '.join(values)}")


@worlds.command()
def boxoban(
    source: Annotated[str, typer.Option("--from", help="Folder, .zip or .tar.gz archive, or URL of an archive.")],
) -> None:
    """Install Boxoban's levels, which two tasks need, from a copy of github.com/google-deepmind/boxoban-levels."""
    from worlds.boxoban import BadLevels, levels_folder
    from worlds.boxoban_install import install

    try:
        counts = install(source)
    except (BadLevels, OSError) as error:
        raise typer.BadParameter(f"nothing was installed: {error}") from error
    for name, count in sorted(counts.items()):
        typer.echo(f"{name}: {count:,} levels")
    typer.echo(f"installed in {levels_folder()}")
