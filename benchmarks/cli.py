"""Time the commands that should feel instant: --help, --version, status and shell completion.

python benchmarks/cli.py                  # this checkout
python benchmarks/cli.py --against main   # next to a git ref, in turns

Prints the median seconds of each command and its CPU seconds, which depend less on the load of the
machine. The goal is 0.25 s on an idle machine; tests/code/test_cli.py checks the imports.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]
GOAL_SECONDS = 0.25
COMPLETION = {
    "_TASADOR_COMPLETE": "complete_bash",
    "COMP_WORDS": "tasador mo",
    "COMP_CWORD": "1",
}
# Title -> arguments and environment.
COMMANDS: dict[str, tuple[list[str], dict[str, str]]] = {
    "--help": (["--help"], {}),
    "--version": (["--version"], {}),
    "status": (["status"], {}),
    "completion": ([], COMPLETION),
}
# What the installed script does; `python -m tasador` would call the program by another name.
SCRIPT = "import sys; sys.argv[0] = 'tasador'; from {module} import main; sys.exit(main())"


def main() -> None:
    """Run the benchmark from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--against", metavar="REF", help="a git ref to compare with")
    parser.add_argument("--runs", type=int, default=11, help="runs of each command (default 11)")
    options = parser.parse_args()
    with checkouts(options.against) as trees, tempfile.TemporaryDirectory() as home:
        measured = measure(trees, options.runs, home)
    print(f"median of {options.runs} runs, seconds (CPU seconds); goal {GOAL_SECONDS}")
    print(f"{'':<12}" + "".join(f"{name:>20}" for name in trees))
    for command in COMMANDS:
        cells = (measured[name, command] for name in trees)
        print(f"{command:<12}" + "".join(f"{f'{wall:.2f} ({cpu:.2f})':>20}" for wall, cpu in cells))


@contextmanager
def checkouts(against: str | None) -> Iterator[dict[str, Path]]:
    """The trees to measure by name: this checkout and, if given, a worktree of a git ref."""
    if against is None:
        yield {"this checkout": CHECKOUT}
        return
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch) / "tree"
        git = ["git", "-C", str(CHECKOUT), "worktree"]
        subprocess.run([*git, "add", "--quiet", "--detach", str(tree), against], check=True)
        try:
            yield {against: tree, "this checkout": CHECKOUT}
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True)


def measure(
    trees: dict[str, Path], runs: int, home: str
) -> dict[tuple[str, str], tuple[float, float]]:
    """(tree, command) -> median wall and CPU seconds; trees take turns after a run to warm up."""
    medians = {}
    for command, (arguments, environ) in COMMANDS.items():
        seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in trees}
        for run in range(runs + 1):
            for name, tree in trees.items():
                timed = time_command(tree, arguments, {**environ, "TASADOR_HOME": home})
                if run:
                    seconds[name].append(timed)
        for name, timings in seconds.items():
            wall, cpu = zip(*timings, strict=True)
            medians[name, command] = statistics.median(wall), statistics.median(cpu)
    return medians


def time_command(tree: Path, arguments: list[str], environ: dict[str, str]) -> tuple[float, float]:
    """Wall and CPU seconds of one command with a tree's code and this environment's packages."""
    module = (
        "tasador.cli.main" if (tree / "tasador" / "cli" / "main.py").exists() else "tasador.cli"
    )
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(module=module), *arguments],
        env={**os.environ, "PYTHONPATH": str(tree), **environ},
        cwd=tree,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0  # reaped above
    return time.perf_counter() - began, usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
