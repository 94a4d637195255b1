"""What the benchmarks share: arguments, the machine, tables, and docs/benchmarks.md."""

from __future__ import annotations

import argparse
import os
import platform
import re
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"


def arguments(doc: str | None) -> argparse.ArgumentParser:
    """A parser with the options of every benchmark on real listings; see ``parsed``."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--csv", type=Path, default=os.environ.get("TASADOR_LISTINGS_CSV"))
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    return parser


def parsed(
    parser: argparse.ArgumentParser, arguments: Sequence[str] | None = None
) -> argparse.Namespace:
    """Parse ``arguments``; exits if there are no listings."""
    options = parser.parse_args(arguments)
    if options.csv is None or not Path(options.csv).is_file():
        parser.error("real listings are needed: --csv FILE or TASADOR_LISTINGS_CSV")
    return options


def machine() -> str:
    """One line: processor, cores, memory, Python, the day and the commit."""
    lines = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    match = re.search(r"^model name\s*:\s*(.+)$", lines, re.MULTILINE)
    processor = match.group(1).strip() if match else platform.processor() or platform.machine()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    head = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    sha = subprocess.run(head, capture_output=True, text=True, check=False).stdout.strip()
    commit = sha or "unknown"
    return (
        f"{processor}, {os.cpu_count()} cores, {memory:.0f} GB, {platform.system()} "
        f"{platform.release().split('-')[0]}, Python {platform.python_version()}, "
        f"{datetime.now(UTC):%Y-%m-%d}, commit {commit}"
    )


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns are aligned in plain text."""
    cells = [list(header), *(list(row) for row in rows)]
    width = [max(len(row[i]) for row in cells) for i in range(len(header))]
    lines = [
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(row, width, strict=True)) + " |"
        for row in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (w + 2) for w in width) + "|")
    return "\n".join(lines)


def write_section(name: str, text: str, page: Path = PAGE) -> None:
    """Replace the text between the markers of section ``name``, which must be in the page."""
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    written = page.read_text()
    if begin not in written or end not in written:
        raise SystemExit(f"{page} has no section {begin} ... {end}")
    before, _, rest = written.partition(begin)
    after = rest.partition(end)[2]
    page.write_text(f"{before}{begin}\n\n{text.strip()}\n\n{end}{after}")
