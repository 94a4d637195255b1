"""A function with and without one of its optimisations (``serve.py --without PIECE``)."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.serving.paired import OTHER
from benchmarks.serving.subjects import HERE, Subject

VARIANTS = ("with", "without")


def subjects(piece: str, bundle: Path, folder: Path) -> dict[str, Subject]:
    """predict and explain as they are, and without the piece; all in this interpreter."""
    env = {"MODEL_URI": str(bundle), "TASADOR_HOME": str(folder), "TASADOR_RECORDING": "off"}
    return {
        name: Subject(
            name,
            [sys.executable, str(HERE / "pieces.py"), off, f"functions/{function}"],
            env,
            path=f"/{function}",
            batch_paths={"by_row": "/batch_predict", "by_column": "/batch_predict"},
            log=folder / f"{name}.log",
        )
        for function in ("predict", "explain")
        for name, off in ((function, "none"), (function + OTHER, piece))
    }
