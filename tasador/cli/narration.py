"""What a flow did, told in a few lines on a terminal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.status import Status

from tasador.drift.reasons import verdict_headline
from tasador.monitoring import verdicts
from tasador.operations.pipeline import FlowRun

_COLOURS = {
    "promoted": "green",
    "rejected": "yellow",
    "drift": "magenta",
    "train": "magenta",
    "no_drift": "cyan",
    "no_champion": "cyan",
    "too_few": "cyan",
    "quiet": "cyan",
    "moved": "magenta",
    "hurts": "magenta",
}


class Narrator:
    """Prints each flow as it starts and ends; ``quiet`` says nothing."""

    def __init__(self, console: Console, quiet: bool = False) -> None:
        self._console = console
        self._quiet = quiet
        self._status: Status | None = None

    def started(self, flow: str) -> None:
        """A flow begins: show that it is at work."""
        if not self._quiet:
            self._status = self._console.status(f"{flow} flow is running")
            self._status.start()

    def finished(self, run: FlowRun) -> None:
        """A flow ended: say what it found or decided, and why."""
        if self._status is not None:
            self._status.stop()
            self._status = None
        if self._quiet:
            return
        headline, details = _told(run)
        self._console.print(
            f"[bold]{run.flow:<7}[/] {headline} [dim]({run.seconds:.0f} s)[/]", highlight=False
        )
        for detail in details:
            self._console.print(f"        · {detail}", highlight=False, markup=False)


def _told(run: FlowRun) -> tuple[str, Iterable[str]]:
    found = run.artifacts
    if run.flow == "ingest":
        return _told_of_batch(found), ()
    if run.flow == "drift":
        verdict = found["verdict"]
        headline = verdict_headline(verdict, found["moved"], found["hurts"])
        return f"[{_COLOURS[verdict]}]{headline}[/]", found["reasons"]
    if run.flow == "monitor":
        verdict = found["verdict"]
        details = [*found["reasons"], *filter(None, [found["asked_says"]])]
        return f"[{_COLOURS[verdict]}]{verdicts.VERDICTS[verdict]}[/]", details
    decision = found["decision"]
    colour = _COLOURS[decision]
    return f"[{colour}]version {found['version']} {decision}[/]", found["reasons"]


def _told_of_batch(found: Any) -> str:
    if found["status"] == "exhausted":
        return "the source is used up"
    batch = found["batch"]
    counts = (
        f"batch {batch['batch_number']}: {batch['rows_raw']:,} rows, "
        f"{batch['rows_clean']:,} clean, "
        f"{batch['rows_quarantined']:,} in quarantine"
    )
    return counts + (" (met before: nothing changed)" if found["status"] == "repeated" else "")
