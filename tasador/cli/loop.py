"""Commands that run the loop: ``pipeline``, ``monitor`` and ``demo``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tasador.cli.output import print_json
from tasador.cli.platform import embedded_home
from tasador.cli.source import Order
from tasador.errors import TasadorError
from tasador.machine.reachable import require_running
from tasador.settings import Settings

if TYPE_CHECKING:
    from tasador.operations.pipeline import FlowRun

Trials = Annotated[int, typer.Option(min=1, help="Trials of each hyperparameter search.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result of each flow as JSON.")]


def pipeline(
    batches: Annotated[
        int | None, typer.Option(min=1, help="Stop after this many; default: all batches.")
    ] = None,
    trials: Trials = 12,
    json: AsJson = False,
) -> None:
    """Ingest every batch of the source and run the loop on it.

    The events of each ingest flow start the drift and train flows. At the end the monitor flow
    runs if the champion got requests since the last monitoring check.
    """
    settings = require_running(
        Settings.load(), "database_url", "s3_endpoint", "mlflow_url", "broker_url", "source_url"
    )
    from tasador.monitoring import verbs

    ingested, exhausted = 0, False
    while not exhausted and (batches is None or ingested < batches):
        runs = _run_flows(settings, "ingest", trials, json)
        exhausted = any(run.artifacts.get("status") == "exhausted" for run in runs)
        ingested += 1
    if verbs.due(settings):
        _run_flows(settings, "monitor", trials, json)


def monitor(
    every_minutes: Annotated[
        float | None, typer.Option(min=0.1, help="Repeat at this interval, until Ctrl-C.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--list", min=1, help="Only list the newest N checks.")
    ] = None,
    trials: Trials = 12,
    json: AsJson = False,
) -> None:
    """Check the champion on its recent requests.

    Runs the monitor flow, and the train flow if the check requests training.
    """
    settings = Settings.load()
    if limit is not None:
        _list_checks(require_running(settings, "database_url"), limit, json)
        return
    needed = ("database_url", "s3_endpoint", "mlflow_url", "broker_url")
    settings.require(*needed)
    if every_minutes is None:
        require_running(settings, *needed)
        _run_flows(settings, "monitor", trials, json)
        return
    while True:
        try:
            require_running(settings, *needed)
            _run_flows(settings, "monitor", trials, json)
        except TasadorError as error:
            # The service that failed may be up again at the next check.
            typer.echo(f"{typer.style('error', fg='red')} {error}")
        time.sleep(60 * every_minutes)


def _list_checks(settings: Settings, limit: int, json: bool) -> None:
    from tasador.warehouse.warehouse import Warehouse

    with Warehouse(settings.database_url) as warehouse:
        checks = warehouse.monitor_history(limit)
    if json:
        print_json(checks)
        return
    from tasador.cli.console import console
    from tasador.cli.tables import monitoring_report

    console.print(monitoring_report(checks))


def _run_flows(settings: Settings, first: str, trials: int, json: bool) -> list[FlowRun]:
    """Run a flow and every flow that its events start, and report each one as it ends."""
    from tasador.cli.console import console
    from tasador.cli.narration import Narrator
    from tasador.operations.pipeline import follow

    narrator, runs = Narrator(console, quiet=json), []
    for run in follow(
        settings,
        first=first,
        train_parameters={"trials": str(trials)},
        on_start=narrator.started,
    ):
        narrator.finished(run)
        if json:
            print_json({"flow": run.flow, "run_id": run.run_id, "artifacts": run.artifacts})
        runs.append(run)
    return runs


def demo(
    once: Annotated[
        bool, typer.Option("--once", help="Stop the platform at the end; default: at Ctrl-C.")
    ] = False,
    csv: Annotated[
        Path | None, typer.Option(help="Use real listings (Kaggle's .csv, .csv.gz or .zip).")
    ] = None,
    order: Annotated[Order, typer.Option(help="How the CSV is split.")] = Order.course,
    seed: Annotated[int, typer.Option(help="Seed of the simulated market.")] = 7,
    trials: Trials = 2,
) -> None:
    """Run the whole loop on this machine, from an empty platform.

    Ingests six batches, trains and serves models, predicts and explains, and traces a prediction.
    """
    home = embedded_home()
    # Before the imports, which take seconds.
    typer.echo(
        f"Tasador's demo, on {f'the listings of {csv}' if csv else 'a simulated market'}. It will\n"
        f"  1. start Postgres, S3, MLflow and the gateway of the functions in {home}\n"
        "  2. ingest six batches: judge drift, train where it helps, put a promoted model into\n"
        "     service and price a house with it\n"
        "  3. trace the last prediction back to its batches\n"
        "This takes some five minutes on two cores. Ctrl-C stops it and everything it started.\n"
    )
    from tasador.cli.demo import Demo

    Demo(csv=csv, order=order.value, seed=seed, trials=trials).play(stay=not once)


def add_to(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    for command in (pipeline, monitor, demo):
        app.command()(command)
