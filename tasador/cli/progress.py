"""Progress of long work: bars on a terminal, now and then a line into a file or a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from tasador.cli.console import console

Report = Callable[[str, float, str], None]

# Between two lines about one stage (seconds), unless it ends.
_BETWEEN_LINES = 10.0


@contextmanager
def stages(quiet: bool = False) -> Iterator[Report]:
    """The function yielded takes (stage, fraction done, what is being done)."""
    if not quiet and not console.is_terminal:
        yield _lines()
        return
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


def _lines() -> Report:
    told: dict[str, float] = {}

    def report(stage: str, fraction: float, text: str) -> None:
        now = time.monotonic()
        if stage not in told or fraction >= 1.0 or now - told[stage] >= _BETWEEN_LINES:
            told[stage] = now
            line = f"{stage} {fraction:4.0%}  {text}"
            console.print(line, highlight=False, markup=False, soft_wrap=True)

    return report
