"""Commands that back up the platform and restore it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tasador.cli.output import print_json
from tasador.errors import ConfigurationError
from tasador.machine.reachable import require_running
from tasador.settings import Settings

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder of the backups.")]


def backup(
    folder: Folder,
    keep: Annotated[
        int | None, typer.Option(min=1, help="Afterwards delete all but the newest N backups.")
    ] = None,
    dumps: Annotated[
        Path | None,
        typer.Option(
            help="A folder with NAME.dump of each database, by pg_dump --format=custom; without it "
            "pg_dump is run."
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only verify the newest backup: read all of it.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Back up databases, buckets, registry, and Metaflow's runs and cards.

    The platform stays in use. What an earlier backup in DIR holds unchanged is not copied again.
    DIR holds everything except secrets: keep it as closed as the database.
    """
    from tasador.cli.progress import stages
    from tasador.operations.backup import create, restore

    if check:
        with stages(quiet=json) as progress:
            verified = restore.verify(folder, progress=progress)
        if json:
            print_json({"backup": verified.name, "verified": True, "bytes": verified.size})
        else:
            typer.echo(f"backup {verified.name}: every checksum is right")
        return
    settings = require_running(Settings.load(), "database_url", "s3_endpoint")
    with stages(quiet=json) as progress:
        created = create.create(
            settings, folder, tools=_tools(settings), dumps=dumps, progress=progress
        )
    deleted, freed = create.delete_older(folder, keep) if keep else ([], 0)
    made = created.manifest
    if json:
        print_json(
            {
                "backup": made.name,
                "bytes": made.size,
                "new_bytes": created.new_bytes,
                "new_contents": created.new_contents,
                "rows": made.rows,
                "missing": made.missing,
                "deleted": deleted,
                "freed_bytes": freed,
            }
        )
    else:
        typer.echo(
            f"backup {made.name}: {made.size / 1e6:,.1f} MB, of which "
            f"{created.new_bytes / 1e6:,.1f} MB are new in {folder}"
        )
        if deleted:
            typer.echo(f"deleted {len(deleted)} older backups, {freed / 1e6:,.1f} MB")
    for uri in made.missing:
        typer.secho(f"missing in the object store: {uri}", fg="yellow", err=True)


def restore(
    folder: Folder,
    name: Annotated[
        str, typer.Option("--backup", help="The name of a backup; default: the newest.")
    ] = "",
    dumps_into: Annotated[
        Path | None,
        typer.Option(
            help="On a cluster, first: restore the objects, and write NAME.dump of each database "
            "here, for pg_restore into NAME_restoring."
        ),
    ] = None,
    loaded: Annotated[
        bool,
        typer.Option(
            "--loaded", help="On a cluster, last: let the NAME_restoring take their places."
        ),
    ] = False,
) -> None:
    """Restore a backup onto an empty platform.

    On one machine: into an empty TASADOR_HOME. Starts the platform, and the newest promotion
    serves afterwards. Safe to repeat until it has succeeded.
    """
    from tasador.cli.progress import stages
    from tasador.operations.backup import restore as steps

    settings, wanted = Settings.load(), steps.choose(folder, name)
    with stages() as progress:
        if settings.platform == "embedded":
            if dumps_into or loaded:
                raise ConfigurationError("--dumps-into and --loaded are for a cluster")
            from tasador.local.restore import restore as restore_here

            restore_here(settings.home, folder, wanted, progress)
        elif loaded:
            require_running(settings, "database_url")
            steps.finish_databases(settings, wanted)
        else:
            require_running(settings, "database_url", "s3_endpoint")
            steps.require_restorable(settings, folder, wanted)
            steps.restore_objects(settings, folder, wanted, progress)
            if dumps_into is None:
                steps.restore_databases(settings, folder, wanted, progress=progress)
            else:
                steps.write_dumps(folder, wanted, dumps_into)
                typer.echo(f"the objects are restored; load the dumps in {dumps_into} next")
                return
    typer.echo(f"backup {wanted.name} is restored")


def _tools(settings: Settings) -> Path | None:
    """Where pg_dump is: on one machine next to the embedded Postgres."""
    if settings.platform == "cluster":
        return None
    from tasador.local.postgres import binaries

    return binaries()


def add_to(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    for command in (backup, restore):
        app.command()(command)
