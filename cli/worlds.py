"""automem worlds: which there are, and what some of them need that no package brings."""

from __future__ import annotations

from typing import Annotated

import typer
from typer.core import TyperCommand, TyperGroup

from worlds import BadData, extra_data, install_data, world_entry, world_names


class _ExtraData(TyperGroup):
    """One command for each kind of data that a world needs and no package brings."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]  # typer's own is private
        """Their names."""
        return sorted(extra_data())

    def get_command(self, ctx: typer.Context, cmd_name: str) -> TyperCommand | None:  # type: ignore[override]
        """The command that installs this data."""
        found = extra_data().get(cmd_name)
        return None if found is None else _installer(cmd_name, found.summary)


worlds = typer.Typer(help="List the worlds; install what a world needs.", add_completion=False, cls=_ExtraData)


@worlds.callback(invoke_without_command=True)
def listed(context: typer.Context) -> None:
    """List the worlds; install what a world needs."""
    if context.invoked_subcommand is not None:
        return
    for entry in map(world_entry, world_names()):
        typer.echo(f"{entry.name}: {entry.summary}")
        typer.echo(f"  tasks: {', '.join(entry.tasks)}")
        for option, values in entry.options.items():
            typer.echo(f"  {option}: {', '.join(values)}")


def _installer(name: str, summary: str) -> TyperCommand:
    def install(
        source: Annotated[str, typer.Option("--from", help="Folder, .zip or .tar.gz archive, or URL of an archive.")],
    ) -> None:
        try:
            lines = install_data(name, source)
        except (BadData, OSError) as error:
            raise typer.BadParameter(f"nothing was installed: {error}") from error
        for line in lines:
            typer.echo(line)

    alone = typer.Typer(add_completion=False)
    alone.command(name=name, help=summary)(install)
    command = typer.main.get_command(alone)
    assert isinstance(command, TyperCommand)  # of one function; of several it would be a group
    return command
