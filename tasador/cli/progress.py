"""Progress of long work: bars on a terminal, an occasional line in a file or a log."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from tasador.cli.console import console
from tasador.progress import Progress

# Minimum seconds between two lines about one stage, unless the stage ends.
_LINE_INTERVAL = 10.0


@contextmanager
def stages(quiet: bool = False) -> Iterator[Progress]:
    """Yields the callback that shows progress; it shows nothing if ``quiet``."""
    if not quiet and not console.is_terminal:
        yield _lines()
        return
    with Bars(
        TextColumn("{task.description:<10}"),
        BarColumn(bar_width=30),
        TimeElapsedColumn(),
        TextColumn("{task.fields[text]}"),
        console=console,
        disable=quiet,
    ) as bars:
        tasks = {}

        def report(stage: str, fraction: float, text: str) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=1.0, text=text)
            bars.update(tasks[stage], completed=fraction, text=text)

        yield report


def _lines() -> Progress:
    printed_at: dict[str, float] = {}

    def report(stage: str, fraction: float, text: str) -> None:
        now = time.monotonic()
        last = printed_at.get(stage)
        if last is None or fraction >= 1.0 or now - last >= _LINE_INTERVAL:
            printed_at[stage] = now
            line = f"{stage} {fraction:4.0%}  {text}"
            console.print(line, highlight=False, markup=False, soft_wrap=True)

    return report
