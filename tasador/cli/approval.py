"""Commands by which a person approves or declines a version that waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tasador.cli.acting import By, acting
from tasador.cli.output import print_json
from tasador.machine.reachable import require_running
from tasador.settings import Settings

if TYPE_CHECKING:
    from tasador.rollout.approval import Answered

Version = Annotated[int, typer.Argument(help="The version that waits; `tasador models` lists it.")]
Digest = Annotated[
    str, typer.Option(help="First digits of the digest, if several versions have the number.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def approve(
    version: Version,
    note: Annotated[str, typer.Option(help="Why; kept with the decision.")] = "",
    by: By = "",
    digest: Digest = "",
    json: AsJson = False,
) -> None:
    """Promote a version that waits for approval (TASADOR_APPROVAL=required).

    The person who started its training cannot approve it.
    """
    settings = _settings()
    from tasador.machine.environment import whoami
    from tasador.rollout import approval

    by = by or whoami()
    with acting(settings, "approve", str(version), by=by, note=note):
        answered = approval.approve(settings, version, by, note=note, digest=digest)
    _report(answered, json)


def decline(
    version: Version,
    note: Annotated[str, typer.Option(help="Why; kept with the decision.")],
    by: By = "",
    digest: Digest = "",
    json: AsJson = False,
) -> None:
    """Reject a version that waits for approval."""
    settings = _settings()
    from tasador.machine.environment import whoami
    from tasador.rollout import approval

    by = by or whoami()
    with acting(settings, "decline", str(version), by=by, note=note):
        answered = approval.decline(settings, version, by, note, digest=digest)
    _report(answered, json)


def _settings() -> Settings:
    settings = Settings.load().require("broker_url", "s3_endpoint")
    return require_running(settings, "database_url", "s3_endpoint", "mlflow_url")


def _report(answered: Answered, json: bool) -> None:
    decision, left = answered
    if json:
        print_json({"decision": decision, "left": left})
        return
    what = f"version {decision.version} is {decision.decision} by {decision.decided_by}"
    if decision.promotes:
        rollout = f"{left}: reload finds it at its next check" if left else "reload rolls it out"
        typer.echo(f"{what} (promotion {decision.promotion}); {rollout}")
    else:
        typer.echo(f"{what}{f'; {left}' if left else ''}")


def add_to(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    for command in (approve, decline):
        app.command()(command)
