"""Commands about models: train and score without a service, look at them, roll back."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.tree import Tree

from tasador.cli.console import console, dollars, print_json
from tasador.cli.progress import stages
from tasador.errors import ConfigurationError
from tasador.settings import Settings

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for a script.")]


def train(
    csv: Annotated[Path, typer.Option(help="Listings to learn from (.csv or .csv.gz).")],
    out: Annotated[Path, typer.Option(help="The bundle's folder; must not exist or be empty.")],
    trials: Annotated[int, typer.Option(min=1, help="Trials of the search.")] = 12,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bundle.")] = 0,
    json: AsJson = False,
) -> None:
    """Train a model on a CSV and write its bundle; needs no service."""
    from tasador.training.from_csv import train_to_folder

    with stages(quiet=json) as progress:
        manifest = train_to_folder(csv, out, trials=trials, seed=seed, progress=progress)
    if json:
        print_json(manifest)
        return
    table = Table("measure on the permanent holdout", "", title=f"bundle {out}")
    for name, value in manifest.metrics.items():
        table.add_row(name, f"{value:,.4g}")
    console.print(table)


def score(
    bundle: Annotated[Path, typer.Option(help="The folder that `tasador train` wrote.")],
    csv: Annotated[Path, typer.Option(help="Listings to price (.csv or .csv.gz).")],
    out: Annotated[Path, typer.Option(help="The predictions, one row a listing, same order.")],
) -> None:
    """Price every row of a CSV with its intervals; needs no service and drops no row."""
    from tasador.training.from_csv import score_csv

    with stages() as progress:
        rows = score_csv(bundle, csv, out, progress=progress)
    console.print(f"{rows:,} rows priced into {out}", highlight=False)


def serve(
    function: Annotated[str, typer.Argument(help="predict, explain, record or reload.")],
    bundle: Annotated[Path | None, typer.Option(help="The model to serve.")] = None,
    port: Annotated[int, typer.Option(help="Listens on 127.0.0.1 at this port.")] = 8080,
) -> None:
    """Run one function by itself, in the foreground."""
    from tasador.operations.pipeline import CHECKOUT

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
    """The registered versions, the newest first, with what was decided about each."""
    from tasador.stores.registry import Registry
    from tasador.warehouse.warehouse import Warehouse

    settings = Settings.load().require("database_url", "mlflow_url")
    versions = Registry(settings).versions()
    with Warehouse(settings.database_url) as warehouse:
        decisions = {
            d.version: d
            for d in reversed(warehouse.model_history(limit=1000))
            if d.decision != "rolled_back"
        }
    if json:
        print_json([{"version": v, "decision": decisions.get(v.version)} for v in versions])
        return
    table = Table("version", "", "decided", "R²", "median error", "reasons")
    for version in versions:
        decision = decisions.get(version.version)
        if decision is None:
            table.add_row(str(version.version), "", "not judged yet", "", "", "")
            continue
        table.add_row(
            str(version.version),
            " ".join(version.aliases),
            f"{decision.decision} {decision.decided_at:%Y-%m-%d %H:%M}",
            f"{decision.metrics.get('r2', float('nan')):.3f}",
            f"{decision.metrics.get('median_error', float('nan')):.1%}",
            "; ".join(decision.reasons),
        )
    console.print(table)


def dossier(
    version: Annotated[int | None, typer.Argument(help="Default: the champion.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Download to here; default: dossiers/ of the home folder.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Open a version's release dossier: model card, data contract, gate record, SBOM, licences."""
    from rich.markdown import Markdown

    from tasador.dossier.verbs import fetch

    settings = Settings.load().require("mlflow_url", "s3_endpoint")
    fetched = fetch(settings, version, out)
    if json:
        print_json({"uri": fetched.uri, "folder": fetched.folder.resolve(), **fetched.index})
        return
    console.print(Markdown(fetched.readme))
    console.print()
    console.print(
        f"{fetched.uri}\nis in {fetched.folder.resolve()}", highlight=False, soft_wrap=True
    )


def lineage(
    prediction_id: Annotated[str, typer.Argument(help="As in the answer of /predict.")],
    json: AsJson = False,
) -> None:
    """Walk a prediction back: Revision, model version, run, training batches."""
    from tasador.operations.lineage import trace
    from tasador.warehouse.warehouse import Warehouse

    settings = Settings.load().require("database_url")
    with Warehouse(settings.database_url) as warehouse:
        found = trace(prediction_id, warehouse)
    if json:
        print_json(found)
        return
    console.print(lineage_tree(found))


def lineage_tree(found: object) -> Tree:
    """A Lineage as a tree to print."""
    from tasador.operations.lineage import Lineage

    assert isinstance(found, Lineage)
    p, d = found.prediction, found.decision
    tree = Tree(f"prediction {p.prediction_id}: {dollars(p.price)} at {p.predicted_at:%F %T}")
    revision = tree.add(f"revision {p.revision or '(none)'}, correlation id {p.correlation_id}")
    for rollout in found.rollouts:
        revision.add(f"{rollout.outcome} since {rollout.finished_at:%F %T}: {rollout.reason}")
    model = tree.add(f"model {d.model}, digest {d.digest[:16]}…")
    model.add(f"bundle {d.model_uri}")
    model.add(f"MLflow run {d.run_id}")
    model.add(f"{d.decision} {d.decided_at:%F %T}: {'; '.join(d.reasons)}")
    for drift in found.drift:
        model.add(f"asked for by verdict {drift.verdict!r}: {'; '.join(drift.reasons)}")
    for look in found.looks:
        model.add(f"asked for by monitoring: {'; '.join(look.reasons)}")
    count = len(found.batches)
    data = tree.add(f"trained on {count} {'batch' if count == 1 else 'batches'}")
    for batch in found.batches:
        data.add(
            f"batch {batch.batch_number} of {batch.source}: {batch.rows_clean:,} clean of "
            f"{batch.rows_raw:,} rows, {batch.raw_uri}"
        )
    return tree


_FOUND_LATER = (
    "reload finds the promotion when it next looks, on a cluster within two minutes; "
    "POST /reconcile has it look now"
)


def rollback(
    version: Annotated[
        int | None, typer.Argument(help="The version to go back to; default: the previous one.")
    ] = None,
) -> None:
    """Put an older version back into service, by the same road as a promotion."""
    from tasador.rollout.rollback import roll_back

    settings = Settings.load().require("database_url", "mlflow_url", "broker_url")
    decision, announce_error = roll_back(settings, version)
    console.print(
        f"version {decision.version} is champion again (promotion {decision.promotion}); "
        + (
            f"{announce_error}: {_FOUND_LATER}"
            if announce_error
            else "reload is bringing it into service"
        ),
        highlight=False,
    )


def add_to(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    for command in (train, score, serve, models, dossier, lineage, rollback):
        app.command()(command)
