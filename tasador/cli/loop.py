"""Commands that run the loop: ``pipeline`` on whatever source is set, ``monitor`` on what was asked
of the champion, ``demo`` on its own."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from tasador.cli.console import console, print_json
from tasador.cli.narration import Narrator
from tasador.cli.source import Order
from tasador.errors import TasadorError
from tasador.operations.pipeline import FlowRun
from tasador.settings import Settings
from tasador.warehouse.warehouse import Warehouse

Trials = Annotated[int, typer.Option(min=1, help="Trials of each search.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print each flow's end as JSON.")]


def pipeline(
    batches: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many; default: until used up.")
    ] = None,
    trials: Trials = 12,
    json: AsJson = False,
) -> None:
    """Ingest, and let the events start drift and train, until the source is used up.

    At the end it looks at what was asked of the champion, if anything was since the last look.
    """
    from tasador.monitoring import verbs

    settings = Settings.load().require("database_url", "source_url", "mlflow_url", "broker_url")
    taken, exhausted = 0, False
    while not exhausted and (batches is None or taken < batches):
        runs = _followed(settings, "ingest", trials, json)
        exhausted = any(run.artifacts.get("status") == "exhausted" for run in runs)
        taken += 1
    if verbs.due(settings):
        _followed(settings, "monitor", trials, json)


def monitor(
    every_minutes: Annotated[
        float | None, typer.Option(min=0.1, help="Look again and again, until Ctrl-C.")
    ] = None,
    looks: Annotated[
        int | None, typer.Option("--list", min=1, help="Only list the newest so many looks.")
    ] = None,
    trials: Trials = 12,
    json: AsJson = False,
) -> None:
    """Look at what was asked of the champion; where it hurts, train a successor."""
    settings = Settings.load().require("database_url", "mlflow_url", "broker_url")
    if looks is not None:
        _list_looks(settings, looks, json)
        return
    if every_minutes is None:
        _followed(settings, "monitor", trials, json)
        return
    while True:
        try:
            _followed(settings, "monitor", trials, json)
        except TasadorError as error:
            # The next look may find what is down up again.
            console.print(f"[red]error[/] {escape(str(error))}", highlight=False)
        time.sleep(60 * every_minutes)


def _list_looks(settings: Settings, limit: int, json: bool) -> None:
    with Warehouse(settings.database_url) as warehouse:
        found = warehouse.monitor_history(limit)
    if json:
        print_json(found)
        return
    table = Table("until", "version", "asked", "verdict", "estimated", "realised", "and so")
    for look in found:
        errors = (look.estimated_error, look.realised_error)
        table.add_row(
            f"{look.window_to:%Y-%m-%d %H:%M}",
            str(look.champion_version),
            f"{look.predictions:,}",
            f"{look.verdict}: {look.reasons[0]}",
            *("" if error is None else f"{math.expm1(error):.0%}" for error in errors),
            look.asked_says,
        )
    console.print(table)


def _followed(settings: Settings, first: str, trials: int, json: bool) -> list[FlowRun]:
    """Run a flow and all that its events start, telling of each as it ends."""
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
    once: Annotated[bool, typer.Option("--once", help="Stop everything at the end.")] = False,
    csv: Annotated[
        Path | None, typer.Option(help="Real listings (Kaggle's CSV or a .gz) to play instead.")
    ] = None,
    order: Annotated[Order, typer.Option(help="How the CSV is cut.")] = Order.course,
    seed: Annotated[int, typer.Option(help="The simulated market's seed.")] = 7,
    trials: Trials = 2,
) -> None:
    """The whole loop on this machine: six batches, their models, predictions, a lineage."""
    from tasador.cli.demo import Demo

    Demo(csv=csv, order=order.value, seed=seed, trials=trials).play(stay=not once)


def add_to(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    for command in (pipeline, monitor, demo):
        app.command()(command)
