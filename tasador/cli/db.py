"""Commands for the warehouse's database."""

from __future__ import annotations

from typing import Annotated

import typer

from tasador.errors import ConfigurationError
from tasador.machine.reachable import require_running
from tasador.settings import Settings

app = typer.Typer(help="Maintain the warehouse.", no_args_is_help=True)


@app.command()
def prune(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say how much would be deleted.")
    ] = False,
) -> None:
    """Delete what is older than the settings TASADOR_KEEP_..._DAYS allow.

    Predictions, payloads of batches, repeated answers of the source, and dead letters. Trainings,
    dossiers, reviews and the summary lose nothing. Safe to repeat and to interrupt.
    """
    settings = Settings.load()
    needed = ["s3_endpoint"] if settings.keep_payloads_days else []
    of_gateway = settings.platform == "embedded" and settings.keep_dead_letters_days
    needed += ["gateway_admin_url"] if of_gateway else []
    require_running(settings, "database_url", *needed)
    from itertools import chain

    from tasador.local import dead_letters
    from tasador.operations.retention import RETENTION
    from tasador.operations.retention import prune as delete

    what = "would be deleted" if dry_run else "deleted"
    pruned = False
    letters = dead_letters.prune(settings, dry_run=dry_run) if of_gateway else ()
    for each in chain(delete(settings, dry_run=dry_run), letters):
        typer.echo(f"{each.count:,} {each.what} from before {each.before:%F %H:%M} UTC {what}")
        pruned = True
    if not pruned:
        names = ", ".join(f"TASADOR_{name.upper()}" for name in RETENTION)
        typer.echo(f"everything is kept: set {names} to a number of days to delete what is older")


@app.command()
def check() -> None:
    """Compare the warehouse with itself and with the object store; say what is missing.

    Exits with status 1 if something is. Changes nothing.
    """
    settings = require_running(Settings.load(), "database_url", "s3_endpoint")
    from tasador.operations.consistency import check as compare

    wrong = 0
    for finding in compare(settings):
        wrong += len(finding.problems)
        if not finding.problems:
            typer.echo(f"{finding.part}: {finding.message}")
        for problem in finding.problems:
            typer.secho(f"{finding.part}: {problem}", fg="red")
    if wrong:
        raise typer.Exit(1)


@app.command()
def upgrade() -> None:
    """Create or upgrade the warehouse's tables. `tasador up` and the job prepare do it too."""
    settings = require_running(Settings.load(), "database_url")
    from tasador.warehouse.warehouse import Warehouse

    with Warehouse(settings.database_url) as warehouse:
        warehouse.migrate()
        revision, _ = warehouse.schema_versions()
    typer.echo(f"the schema is at revision {revision}, the newest")


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def psql(context: typer.Context) -> None:
    """Open psql on the warehouse; further arguments are psql's, such as -c "select 1".

    On one machine the embedded Postgres has it; elsewhere it has to be on PATH.
    """
    settings = require_running(Settings.load(), "database_url")
    import os
    import shutil

    from tasador.warehouse.connection import connect

    url = connect(settings.database_url).url
    environ = dict(os.environ)
    tools = environ.get("PATH", "")
    if settings.platform == "embedded":
        from tasador.local.postgres import binaries

        environ = {name: value for name, value in environ.items() if not name.startswith("PG")}
        tools = f"{binaries()}{os.pathsep}{tools}"
    program = shutil.which("psql", path=tools)
    if program is None:
        raise ConfigurationError("psql is not on PATH: install the client of PostgreSQL")
    # Not among the arguments, which every user of the machine can read.
    if url.password:
        environ["PGPASSWORD"] = str(url.password)
    address = url._replace(drivername="postgresql", password=None).render_as_string()
    os.execve(program, ["psql", address, *context.args], environ)  # noqa: S606
