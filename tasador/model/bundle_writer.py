"""Writing a model bundle, and the labels that it gets later. Serving only reads bundles."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasador.engine import xgboost_library
from tasador.engine.xgboost_json import filled_model, read_trees
from tasador.machine.files import replace_file
from tasador.model.encoder_files import to_files
from tasador.model.encoders import Encoders
from tasador.model.factors import Factors
from tasador.model.golden import GoldenRow, write_golden
from tasador.model.intervals import Intervals, stored_factors
from tasador.model.manifest import (
    ENCODERS,
    FILLED,
    FORMAT,
    GOLDEN,
    MODEL,
    SPREAD,
    TABLES,
    TREES,
    Manifest,
    read_manifest,
    sealed,
    write_manifest,
)
from tasador.model.tree_file import write_trees

if TYPE_CHECKING:
    import xgboost


def write_bundle(
    folder: str | Path,
    *,
    encoders: Encoders,
    booster: xgboost.Booster,
    spread: xgboost.Booster,
    intervals: Intervals,
    size_factors: Factors,
    golden: Sequence[GoldenRow],
    data: Mapping[str, Any],
    params: Mapping[str, Any],
    states: Sequence[str],
    name: str,
    git_sha: str,
    created: str,
) -> Manifest:
    """Write a bundle with version 0 and no metrics; the manifest is written last.

    ``booster`` corrects the local regression, ``spread`` predicts ``intervals.log_size``, whose
    sizes are multiplied by ``size_factors``, and ``states`` are the display names of the known
    states. Raises BundleError if xgboost's trees are of a kind that cannot be stored (see
    ``xgboost_json.read_trees``).
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    encoder_names, encoder_tables = to_files(encoders)
    contents = {
        ENCODERS: encoder_names,
        TABLES: encoder_tables,
        MODEL: bytes(booster.save_raw("ubj")),
        SPREAD: bytes(spread.save_raw("ubj")),
        **_tree_files(booster, spread),
        GOLDEN: write_golden(golden),
    }
    for file, content in contents.items():
        replace_file(folder / file, content)
    manifest = Manifest(
        name=name,
        version=0,
        digest="",
        features=list(encoders.feature_names),
        metrics={},
        intervals=intervals,
        size_factors=stored_factors(size_factors),
        data=dict(data),
        params=dict(params),
        ranges={field: list(ends) for field, ends in encoders.ranges.items()},
        categories={"state": list(states)},
        files={file: hashlib.sha256(content).hexdigest() for file, content in contents.items()},
        git_sha=git_sha,
        created=created,
        xgboost=xgboost_library.version(),
        format=FORMAT,
        ratio_study={},
        confidence={},
    )
    manifest = sealed(manifest)
    write_manifest(folder, manifest)
    return manifest


def _tree_files(booster: xgboost.Booster, spread: xgboost.Booster) -> dict[str, bytes]:
    """What the fast engine reads, by file name."""
    models = [bytes(model.save_raw("json")) for model in (booster, spread)]
    trees = [read_trees(model) for model in models]
    filled = [filled_model(model) for model in models]
    return {TREES: write_trees(*trees), **dict(zip(FILLED, filled, strict=True))}


def stamp_version(folder: str | Path, name: str, version: int) -> Manifest:
    """Set the registered name and version of a bundle; its digest stays."""
    return _stamp(Path(folder), name=name, version=version)


def stamp_measures(
    folder: str | Path,
    metrics: Mapping[str, float],
    ratio_study: Mapping[str, Any],
    confidence: Mapping[str, Any],
) -> Manifest:
    """Set what was measured on the permanent holdout: the metrics, the ratio study and how much a
    price can be trusted. The digest stays."""
    return _stamp(
        Path(folder),
        metrics=dict(metrics),
        ratio_study=dict(ratio_study),
        confidence=dict(confidence),
    )


def _stamp(folder: Path, **labels: Any) -> Manifest:
    manifest = read_manifest(folder)._replace(**labels)
    write_manifest(folder, manifest)
    return manifest
