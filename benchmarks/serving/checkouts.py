"""The functions of two git refs (``serve.py --against REF [--of REF]``).

Each is installed from its own lock and serves a model that its own code has trained.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from benchmarks.report import ROOT
from benchmarks.serving.measures import say
from benchmarks.serving.paired import OTHER
from benchmarks.serving.subjects import Subject

_TRAIN = """
import sys
from pathlib import Path
from benchmarks.serving.data import train
csv, rows, into = sys.argv[1:]
print(train(Path(csv) if csv else None, int(rows), Path(into))[0])
"""


def subjects(
    refs: tuple[str, str], csv: Path | None, rows: int, folder: Path
) -> dict[str, Subject]:
    """predict and explain of two refs, the earlier one first; an empty ref is this checkout."""
    servers: dict[str, Subject] = {}
    for ref, suffix in zip(refs, ("", OTHER), strict=True):
        tree = _checkout(ref, folder) if ref else ROOT
        python = str(tree / ".venv" / "bin" / "python") if ref else sys.executable
        into = folder / f"trained-{tree.name}"
        into.mkdir(exist_ok=True)
        say(f"a model of {ref or 'this checkout'}")
        data = str(csv.resolve()) if csv else ""
        command = [python, "-c", _TRAIN, data, str(rows), str(into)]
        bundle = _output(command, tree)
        env = {"MODEL_URI": bundle, "TASADOR_HOME": str(into), "TASADOR_RECORDING": "off"}
        for function in ("predict", "explain"):
            name = function + suffix
            servers[name] = Subject(
                name,
                [python, "-m", "functions.host", f"functions/{function}"],
                env,
                path=f"/{function}",
                batch_paths={"by_row": "/batch_predict", "by_column": "/batch_predict"},
                log=into / f"{function}.log",
                checkout=tree,
            )
    return servers


def _checkout(ref: str, folder: Path) -> Path:
    """A clone of this repository at ``ref``, installed."""
    commit = _output(["git", "rev-parse", "--verify", f"{ref}^{{commit}}"], ROOT)
    tree = folder / f"checkout-{commit[:12]}"
    if not tree.exists():
        say(f"a checkout of {ref}")
        clone = tree.with_suffix(".part")
        subprocess.run(["git", "clone", "--quiet", "--no-checkout", ROOT, clone], check=True)
        subprocess.run(["git", "-C", clone, "checkout", "--quiet", commit], check=True)
        clone.rename(tree)
    # Installs what the checkout's lock says.
    subprocess.run(["./taskw", "--version"], check=True, cwd=tree, env=_clean())
    return tree


def _output(command: list[str], folder: Path) -> str:
    """What the command prints last."""
    done = subprocess.run(
        command, check=True, cwd=folder, env=_clean(), stdout=subprocess.PIPE, text=True
    )
    return done.stdout.strip().splitlines()[-1]


def _clean() -> dict[str, str]:
    """The environment without what points to this checkout."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "VIRTUAL_ENV", "UV_PROJECT"))
    }
