"""Progress of long work on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from tasador.cli.console import console

Report = Callable[[str, float, str], None]


@contextmanager
def stages(quiet: bool = False) -> Iterator[Report]:
    """A bar a stage; the function yielded takes (stage, fraction done, what is being done)."""
    with Progress(
        TextColumn("{task.description:<10}"),
        BarColumn(bar_width=30),
        TimeElapsedColumn(),
        TextColumn("{task.fields[text]}"),
        console=console,
        disable=quiet,
    ) as bars:
        known = {}

        def report(stage: str, fraction: float, text: str) -> None:
            if stage not in known:
                known[stage] = bars.add_task(stage, total=1.0, text=text)
            bars.update(known[stage], completed=fraction, text=text)

        yield report
