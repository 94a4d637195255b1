"""Writing a model bundle and the labels that it gets afterwards; serving only reads bundles."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasador.engine import xgboost_library
from tasador.listings.listing import COLUMNS, Listing
from tasador.model.encoder_files import to_files
from tasador.model.encoders import Encoders
from tasador.model.features import FEATURE_NAMES
from tasador.model.intervals import Intervals
from tasador.model.manifest import (
    ENCODERS,
    GOLDEN,
    MODEL,
    SPREAD,
    TABLES,
    Manifest,
    read_manifest,
    replace_file,
    sealed,
    write_manifest,
)

if TYPE_CHECKING:
    import xgboost


def write_bundle(
    folder: str | Path,
    *,
    encoders: Encoders,
    booster: xgboost.Booster,
    spread: xgboost.Booster,
    intervals: Intervals,
    golden: Sequence[tuple[Listing, float]],
    data: Mapping[str, Any],
    params: Mapping[str, Any],
    states: Sequence[str],
    name: str,
    git_sha: str,
    created: str,
) -> Manifest:
    """Write a bundle with version 0 and no measures; the manifest comes last.

    ``booster`` corrects the local regression and ``spread`` predicts ``intervals.log_size``.
    ``golden`` pairs listings with the price that the training engine gives them; ``states`` are
    the known states as people write them.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        {
            "listing": {
                field: getattr(listing, field)
                for field in COLUMNS
                if getattr(listing, field) is not None
            },
            "price": price,
        }
        for listing, price in golden
    ]
    names, tables = to_files(encoders)
    contents = {
        ENCODERS: names,
        TABLES: tables,
        MODEL: bytes(booster.save_raw("ubj")),
        SPREAD: bytes(spread.save_raw("ubj")),
        GOLDEN: json.dumps(rows, indent=1, allow_nan=False).encode() + b"\n",
    }
    for file, content in contents.items():
        replace_file(folder / file, content)
    manifest = Manifest(
        name=name,
        version=0,
        digest="",
        features=list(FEATURE_NAMES),
        metrics={},
        intervals=intervals,
        data=dict(data),
        params=dict(params),
        ranges={field: list(ends) for field, ends in encoders.ranges.items()},
        categories={"state": list(states)},
        files={file: hashlib.sha256(content).hexdigest() for file, content in contents.items()},
        git_sha=git_sha,
        created=created,
        xgboost=xgboost_library.version(),
    )
    manifest = sealed(manifest)
    write_manifest(folder, manifest)
    return manifest


def stamp_version(folder: str | Path, name: str, version: int) -> Manifest:
    """Give a bundle its registered name and version; its digest stays."""
    return _stamp(Path(folder), name=name, version=version)


def stamp_metrics(folder: str | Path, metrics: Mapping[str, float]) -> Manifest:
    """Note how the model did on the permanent holdout; its digest stays."""
    return _stamp(Path(folder), metrics=dict(metrics))


def _stamp(folder: Path, **labels: Any) -> Manifest:
    manifest = replace(read_manifest(folder), **labels)
    write_manifest(folder, manifest)
    return manifest
