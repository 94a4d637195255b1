"""``tasador ratio-study``: a model's estimates against the prices of a CSV."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tasador.cli.models import FORMATS
from tasador.cli.output import print_json
from tasador.settings import Settings

if TYPE_CHECKING:
    from tasador.operations.ratio_study import CsvStudy


class Format(StrEnum):
    """How the study is printed."""

    table = "table"
    json = "json"


class Rows(StrEnum):
    """Which properties of the CSV count."""

    holdout = "holdout"
    all = "all"


def ratio_study(
    bundle: Annotated[
        str,
        typer.Option(help="A folder, s3://BUCKET/PREFIX, models:/NAME@champion or models:/NAME/3."),
    ],
    csv: Annotated[Path, typer.Option(help=f"Listings with prices ({FORMATS}).")],
    rows: Annotated[
        Rows,
        typer.Option(help="holdout: properties that no model is trained on; all: every property."),
    ] = Rows.holdout,
    format_: Annotated[Format, typer.Option("--format", help="What to print.")] = Format.table,
    html: Annotated[Path | None, typer.Option(help="Write a page with ratio curves.")] = None,
    census: Annotated[
        Path | None,
        typer.Option(help="A CSV with zip_code and figures of its make-up, to compare by."),
    ] = None,
) -> None:
    """Compare a model's estimates with prices as assessors do.

    Prints the median ratio, COD, PRD, PRB, MKI, VEI, PPE and FSD with intervals, limits, and what
    noise alone would give; overall and by status, state, tenth of the estimates, property type and
    known fields.
    """
    from tasador.cli.progress import stages
    from tasador.operations.ratio_study import study_csv

    if html is not None:
        _check_writable(html, csv, census)
    with stages(quiet=format_ is Format.json) as progress:
        result = study_csv(bundle, csv, rows.value, Settings.load(), progress, census)
    if html is not None:
        _write_page(html, result, csv)
    if format_ is Format.json:
        print_json(
            {
                "model": result.model,
                "digest": result.digest,
                "csv": csv,
                "left_out": result.left_out,
                "disparities": result.disparities,
                **result.study.as_dict(),
            }
        )
        return
    _print(result, csv)
    if html is not None:
        typer.echo(f"\nwritten: {html}")


def _print(result: CsvStudy, csv: Path) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from tasador.cli.console import console
    from tasador.ratio_study import words

    study = result.study
    layout: dict[str, Any] = {"box": SIMPLE_HEAD, "pad_edge": False, "padding": (0, 1, 0, 0)}
    console.print(f"{result.model} on {csv}: {study.overall.rows:,} rows")
    for why, count in result.left_out.items():
        console.print(f"  left out: {count:,} {why}")
    if study.overall.figures:
        details = Table(*words.DETAIL_HEADERS, **layout)
        for row in words.detail_rows(study.overall):
            details.add_row(*row)
        console.print(details)
    for kind, groups in words.kinds(study).items():
        table = Table(**layout)
        for number, header in enumerate(words.headers(words.MAIN)):
            table.add_column(header or kind, justify="right" if number else "left")
        for group in groups:
            table.add_row(*words.group_row(group, words.MAIN))
        console.print(table)
    if result.disparities:
        table = Table(*words.DISPARITY_HEADERS, **layout)
        for row in words.disparity_rows(result.disparities):
            table.add_row(*row)
        console.print(table)
    if not study.overall.figures:
        console.print(f"{words.TOO_FEW}; with --rows all every property counts")
        return
    for note in words.notes(study):
        console.print(f"- {note}")


def _check_writable(path: Path, *read: Path | None) -> None:
    from tasador.errors import ConfigurationError
    from tasador.machine.files import is_same_file

    if path.is_dir() or not path.absolute().parent.is_dir():
        raise ConfigurationError(f"--html {path}: name a file in an existing folder")
    if any(each is not None and is_same_file(path, each) for each in read):
        raise ConfigurationError(f"--html {path} is a file that is read: name another one")


def _write_page(path: Path, result: CsvStudy, csv: Path) -> None:
    from tasador.errors import ConfigurationError
    from tasador.machine.files import whole_file
    from tasador.ratio_study.page import html

    facts = {
        "digest": result.digest[:16],
        "file": csv.name,
        **{f"left out ({why}):": f"{count:,}" for why, count in result.left_out.items()},
    }
    try:
        with whole_file(path) as part:
            part.write_text(
                html(result.study, f"Ratio study of {result.model}", facts, result.disparities),
                encoding="utf-8",
            )
    except OSError as error:
        raise ConfigurationError(
            f"--html {path} cannot be written: {error.strerror or error}"
        ) from error


def add_to(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(ratio_study)
