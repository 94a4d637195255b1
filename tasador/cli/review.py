"""Commands for the random sample of predictions that people review."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from tasador.cli.acting import By
from tasador.cli.output import print_json
from tasador.machine.reachable import require_running
from tasador.settings import MOST_REVIEWS, Settings

app = typer.Typer(
    help="Draw predictions at random, and record what people say about them.",
    no_args_is_help=True,
)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Week = Annotated[str, typer.Option(help="An ISO week, such as 2026-W48.")]


@app.command()
def draw(
    count: Annotated[int, typer.Option(min=1, max=MOST_REVIEWS, help="Predictions to draw.")] = 20,
    week: Week = "",
    json: AsJson = False,
) -> None:
    """Draw predictions of a finished week; default: the last one.

    The draw depends on the week and the ids alone, so anybody can repeat it. A week that has a
    sample keeps it.
    """
    settings = require_running(Settings.load(), "database_url")
    from tasador.operations.reviews import draw as draw_sample

    sample = draw_sample(settings, count, week)
    if json:
        print_json(sample)
        return
    from tasador.cli.console import console
    from tasador.cli.tables import reviews_report

    console.print(reviews_report(sample))


@app.command("list")
def list_(
    week: Week = "",
    is_open: Annotated[bool, typer.Option("--open", help="Only those without a verdict.")] = False,
    json: AsJson = False,
) -> None:
    """List the drawn predictions and their verdicts."""
    settings = require_running(Settings.load(), "database_url")
    from tasador.warehouse.warehouse import Warehouse

    with Warehouse(settings.database_url) as warehouse:
        sample = warehouse.reviews(week=week, is_open=is_open)
    if json:
        print_json(sample)
        return
    from tasador.cli.console import console
    from tasador.cli.tables import reviews_report

    console.print(reviews_report(sample))


@app.command()
def record(
    prediction_id: Annotated[str, typer.Argument(help="As `tasador review list` shows it.")],
    verdict: Annotated[
        Literal["accept", "too_high", "too_low"],
        typer.Option(help="What you think of the price."),
    ],
    note: Annotated[str, typer.Option(help="Why; needed unless you accept.")] = "",
    by: By = "",
) -> None:
    """Record your verdict on a drawn prediction. It cannot be changed."""
    settings = require_running(Settings.load(), "database_url")
    from tasador.machine.environment import whoami
    from tasador.operations.reviews import record as record_verdict

    review = record_verdict(settings, prediction_id, verdict, note, by or whoami())
    typer.echo(f"prediction {review.prediction_id}: {verdict} by {review.reviewed_by}")
