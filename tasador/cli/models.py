"""Commands for models: train and score without a service, serve, list, trace, roll back."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tasador.cli.acting import acting
from tasador.cli.output import print_json
from tasador.errors import BundleError, ConfigurationError, StoreUnavailable
from tasador.machine.files import is_special
from tasador.machine.reachable import require_running
from tasador.settings import CHECKOUT, Settings

if TYPE_CHECKING:
    from tasador.stores.model_version import ModelVersion

FORMATS = ".csv, .csv.gz, or a .zip with one CSV"
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def train(
    csv: Annotated[Path, typer.Option(help=f"Listings to train on ({FORMATS}).")],
    out: Annotated[Path, typer.Option(help="Folder for the bundle; must be empty or new.")],
    trials: Annotated[int, typer.Option(min=1, help="Trials of the search.")] = 12,
    seed: Annotated[int, typer.Option(help="The same seed and data give the same bundle.")] = 0,
    json: AsJson = False,
) -> None:
    """Train a model on a CSV; needs no platform.

    Writes the model bundle and prints its metrics.
    """
    from tasador.cli.console import console
    from tasador.cli.progress import stages
    from tasador.cli.tables import metrics_table
    from tasador.training.from_csv import train_to_folder

    with stages(quiet=json) as progress:
        manifest = train_to_folder(csv, out, trials=trials, seed=seed, progress=progress)
    if json:
        print_json(manifest._asdict())
        return
    console.print(metrics_table(manifest.metrics, title=f"bundle {out}"))


def score(
    bundle: Annotated[Path, typer.Option(help="Folder that `tasador train` wrote.")],
    csv: Annotated[Path, typer.Option(help=f"Listings to price ({FORMATS}, or Parquet).")],
    out: Annotated[Path, typer.Option(help="CSV for the predictions, one row per listing.")],
    key: Annotated[
        list[str] | None,
        typer.Option(help="A column of the CSV to copy to the output, such as an id; repeatable."),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail and write nothing if any row has a problem.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Price every row of a CSV or Parquet file; needs no platform.

    Writes one row per listing, in the same order: the price, its intervals, the missing fields, the
    refused values and warnings. Prints how many rows have problems, and which columns were not
    used or are missing.
    """
    from tasador.cli.progress import stages
    from tasador.scoring.price_file import describe_problems, score_csv

    with stages(quiet=json) as progress:
        summary = score_csv(bundle, csv, out, keys=key or (), strict=strict, progress=progress)
    if json:
        print_json(summary)
        return
    say = partial(typer.echo, err=is_special(out))  # /dev/stdout holds the rows alone
    say(f"{summary.rows - summary.unpriced:,} rows priced into {out}")
    if summary.rows_with_problems:
        no_price = f"; {summary.unpriced:,} have no price" if summary.unpriced else ""
        say(f"{describe_problems(summary)}; a refused value counts as missing{no_price}")
    else:
        say("no row has a problem")
    say(f"columns not used: {', '.join(summary.unused) or 'none'}")
    say(f"columns missing: {', '.join(summary.absent) or 'none'}")


def serve(
    function: Annotated[str, typer.Argument(help="predict, explain, record or reload.")],
    bundle: Annotated[Path | None, typer.Option(help="Folder of the model to serve.")] = None,
    port: Annotated[int, typer.Option(help="Port to listen on, at 127.0.0.1.")] = 8080,
) -> None:
    """Run one function in the foreground."""
    folder = CHECKOUT / "functions" / function
    if not (folder / "func.py").is_file():
        raise ConfigurationError(f"there is no function {function!r} in {folder.parent}")
    environ = {**os.environ, "PORT": str(port), "HOST": "127.0.0.1"}
    if bundle is not None:
        if not (bundle / "manifest.json").is_file():
            raise ConfigurationError(f"--bundle {bundle} has no manifest.json: not a bundle")
        environ["MODEL_URI"] = str(bundle.resolve())
        environ.setdefault("TASADOR_RECORDING", "off")
    os.chdir(CHECKOUT)
    command = [sys.executable, "-m", "functions.host", f"functions/{function}"]
    os.execve(sys.executable, command, environ)  # noqa: S606


def models(json: AsJson = False) -> None:
    """List the registered model versions, newest first."""
    settings = require_running(Settings.load(), "database_url", "mlflow_url")
    from tasador.stores.registry import Registry
    from tasador.warehouse.warehouse import Warehouse

    versions = Registry(settings).versions()
    with Warehouse(settings.database_url) as warehouse:
        decisions = {
            d.model.key: d
            for d in reversed(warehouse.model_history(limit=1000))
            if d.decision != "rolled_back"
        }
        refused = [batch for batch in warehouse.batches() if batch.refused]
    problems = _unreadable(settings, versions)
    if json:
        print_json(
            [
                {
                    "version": v,
                    "decision": decisions.get(v.model.key),
                    "problem": problems.get(v.version, ""),
                }
                for v in versions
            ]
        )
        return
    from tasador.cli.console import console
    from tasador.cli.tables import models_report

    console.print(models_report(versions, decisions))
    for batch in refused:
        typer.echo(
            f"batch {batch.batch_number} ({batch.batch_id}) trains no model: its feed broke; "
            "`tasador batch list` says why"
        )
    for version, problem in problems.items():
        typer.echo(
            f"version {version} cannot be read: {problem}\n`tasador rollback VERSION` returns to a "
            "version that can be read; the next batch trains a successor"
        )


def _unreadable(settings: Settings, versions: Sequence[ModelVersion]) -> dict[int, str]:
    """Why the bundle of the champion or of the version before it cannot be read, by version."""
    from tasador.stores.bundles import check_readable

    problems: dict[int, str] = {}
    for version in versions:
        if version.aliases and settings.s3_endpoint:
            try:
                check_readable(version.uri, version.digest, settings)
            except (BundleError, StoreUnavailable) as error:
                problems[version.version] = str(error)
    return problems


def dossier(
    version: Annotated[int | None, typer.Argument(help="Default: the champion.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Download folder; default: dossiers/ in the home folder.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Download and show the release dossier of a version.

    It holds the model card, data contract, gate record, SBOM and licences.
    """
    settings = require_running(Settings.load(), "mlflow_url", "s3_endpoint")
    from tasador.dossier.verbs import fetch

    fetched = fetch(settings, version, out)
    if json:
        print_json({"uri": fetched.uri, "folder": fetched.folder.resolve(), **fetched.index})
        return
    from rich.markdown import Markdown

    from tasador.cli.console import console

    console.print(Markdown(fetched.readme))
    typer.echo(f"\n{fetched.uri}\nwas downloaded to {fetched.folder.resolve()}")
    if fetched.page.is_file():
        typer.echo(f"The model card with its plots: {fetched.page.resolve().as_uri()}")


def lineage(
    prediction_id: Annotated[str, typer.Argument(help="prediction_id of an answer of /predict.")],
    json: AsJson = False,
) -> None:
    """Trace a prediction to its model and training data.

    Shows its Revision, model version, MLflow run and training batches.
    """
    settings = require_running(Settings.load(), "database_url")
    from tasador.operations.lineage import trace
    from tasador.warehouse.warehouse import Warehouse

    with Warehouse(settings.database_url) as warehouse:
        traced = trace(prediction_id, warehouse)
    if json:
        print_json(traced)
        return
    from tasador.cli.console import console
    from tasador.cli.tables import lineage_tree

    console.print(lineage_tree(traced))


_RECONCILE_HINT = (
    "reload will find the promotion at its next check, within five minutes; "
    "POST /reconcile makes it check now"
)


def rollback(
    version: Annotated[
        int | None, typer.Argument(help="Version to return to; default: the previous one.")
    ] = None,
    digest: Annotated[
        str, typer.Option(help="First digits of the digest, if several versions have the number.")
    ] = "",
    force: Annotated[bool, typer.Option("--force", help="Also while rollouts are paused.")] = False,
) -> None:
    """Put an older version back into service.

    It is rolled out like a promotion. Nothing is recorded if the version cannot serve.
    """
    settings = Settings.load().require("broker_url", "s3_endpoint")
    # Without the broker the decision is recorded all the same, and reload finds it later.
    require_running(settings, "database_url", "s3_endpoint", "mlflow_url")
    from tasador.rollout.rollback import roll_back

    with acting(settings, "roll back", "the previous one" if version is None else str(version)):
        decision, announce_error = roll_back(settings, version, digest, force=force)
    outcome = (
        f"{announce_error}: {_RECONCILE_HINT}" if announce_error else "reload is rolling it out"
    )
    typer.echo(
        f"version {decision.version} (digest {decision.digest[:12]}) is champion again "
        f"(promotion {decision.promotion}); {outcome}"
    )


def sign(
    version: Annotated[int | None, typer.Argument(help="A promoted version.")] = None,
    digest: Annotated[
        str, typer.Option(help="First digits of the digest, if several versions have the number.")
    ] = "",
    every: Annotated[bool, typer.Option("--all", help="Every promoted version.")] = False,
    new_key: Annotated[
        bool, typer.Option("--new-key", help="Only create and print a pair of keys.")
    ] = False,
) -> None:
    """Sign the bundle of a promoted version with TASADOR_SIGNING_KEY.

    Promotions are signed by the train flow. This is for versions from before, and for a new key.
    """
    if sum((version is not None, every, new_key)) != 1:
        raise typer.BadParameter("give a VERSION, --all or --new-key")
    if new_key:
        from tasador.stores import signing

        key, public_key = signing.new_key()
        typer.echo(f"TASADOR_SIGNING_KEY={key}\nTASADOR_SIGNING_PUBLIC_KEYS={public_key}")
        return
    settings = require_running(Settings.load(), "database_url", "s3_endpoint")
    from tasador.operations.signing import sign_versions

    signed = sign_versions(settings, version, digest)
    for model, problem in signed:
        typer.echo(f"{model} (digest {model.digest[:12]}) {problem or 'is signed'}")
    if any(problem for _, problem in signed):
        raise typer.Exit(1)


def add_to(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    for command in (train, score, serve, models, dossier, lineage, rollback, sign):
        app.command()(command)
