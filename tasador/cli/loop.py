"""Commands that run the loop: ``pipeline`` on whatever source is set, ``demo`` on its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tasador.cli.console import console, print_json
from tasador.cli.narration import Narrator
from tasador.cli.source import Order
from tasador.settings import Settings

Trials = Annotated[int, typer.Option(min=1, help="Trials of each search.")]


def pipeline(
    batches: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many; default: until used up.")
    ] = None,
    trials: Trials = 12,
    json: Annotated[bool, typer.Option("--json", help="Print each flow's end as JSON.")] = False,
) -> None:
    """Ingest, and let the events start drift and train, until the source is used up."""
    from tasador.pipeline import follow

    settings = Settings.load().require("database_url", "source_url", "mlflow_url", "broker_url")
    narrator = Narrator(console, quiet=json)
    taken = 0
    while batches is None or taken < batches:
        exhausted = False
        for run in follow(
            settings, train_parameters={"trials": str(trials)}, on_start=narrator.started
        ):
            narrator.finished(run)
            if json:
                print_json({"flow": run.flow, "run_id": run.run_id, "artifacts": run.artifacts})
            exhausted |= run.flow == "ingest" and run.artifacts["status"] == "exhausted"
        if exhausted:
            return
        taken += 1


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
    for command in (pipeline, demo):
        app.command()(command)
