"""Report on a terminal what each flow did."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from rich.console import Console
from rich.status import Status

from tasador.drift.reasons import how_to_accept, verdict_headline
from tasador.gate.checks import NO_CHAMPION
from tasador.monitoring import verdicts
from tasador.operations.pipeline import FlowRun

_COLOURS = {
    "promoted": "green",
    "rejected": "yellow",
    "waiting": "yellow",
    "drift": "magenta",
    "train": "magenta",
    "broken_feed": "red",
    "no_drift": "cyan",
    "no_champion": "cyan",
    "too_few": "cyan",
    "quiet": "cyan",
    "moved": "magenta",
    "hurts": "magenta",
}


class Narrator:
    """Prints each flow when it starts and when it ends; prints nothing if ``quiet``."""

    def __init__(self, console: Console, quiet: bool = False) -> None:
        self._console = console
        self._quiet = quiet
        self._status: Status | None = None

    def started(self, flow: str) -> None:
        """Show that the flow is running."""
        if not self._quiet:
            self._status = self._console.status(f"{flow} flow is running")
            self._status.start()

    def finished(self, run: FlowRun) -> None:
        """Print what the flow found or decided, and why."""
        if self._status is not None:
            self._status.stop()
            self._status = None
        if self._quiet:
            return
        headline, details = _summarise(run.flow, run.artifacts)
        self._console.print(
            f"[bold]{run.flow:<7}[/] {headline} [dim]({run.seconds:.0f} s)[/]", highlight=False
        )
        for detail in details:
            self._console.print(f"        · {detail}", highlight=False, markup=False)


def _summarise(flow: str, artifacts: Mapping[str, Any]) -> tuple[str, Iterable[str]]:
    """A headline (Rich markup) and the details (plain text) of a finished flow."""
    if flow == "ingest":
        return _summarise_batch(artifacts["status"], artifacts["batch"]), ()
    if flow == "drift":
        verdict = artifacts["verdict"]
        headline = verdict_headline(verdict, artifacts["moved"], artifacts["hurts"])
        if verdict == "train":  # the only reason of a first training is the headline
            return _coloured(verdict, headline), ()
        broken = verdict == "broken_feed"
        accept = [how_to_accept(artifacts["batch_id"])] if broken else []
        return _coloured(verdict, headline), [*artifacts["reasons"], *accept]
    if flow == "monitor":
        verdict = artifacts["verdict"]
        details = [*artifacts["reasons"], *filter(None, [artifacts["request_reason"]])]
        return _coloured(verdict, verdicts.VERDICTS[verdict]), details
    decision = artifacts["decision"]
    # The drift flow has just said that there is no champion.
    reasons = [reason for reason in artifacts["reasons"] if reason != NO_CHAMPION]
    if decision == "waiting":
        reasons.append(f"`tasador approve {artifacts['version']}` promotes it")
    return _coloured(decision, f"version {artifacts['version']} {decision}"), reasons


def _coloured(outcome: str, text: str) -> str:
    return f"[{_COLOURS[outcome]}]{text}[/]"


def _summarise_batch(status: str, batch: Mapping[str, Any] | None) -> str:
    if batch is None:
        return "the source is exhausted"
    counts = (
        f"batch {batch['batch_number']}: {batch['rows_raw']:,} rows, "
        f"{batch['rows_clean']:,} clean, "
        f"{batch['rows_quarantined']:,} in quarantine"
    )
    return counts + (" (already ingested, nothing changed)" if status == "repeated" else "")
