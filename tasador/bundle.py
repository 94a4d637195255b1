"""A model bundle: a folder that holds everything needed to price a listing, and nothing to run.

manifest.json, encoders.json and tables.npz (what the features remember), model.ubj (the trees) and
spread.ubj (how far off they are) in xgboost's own format, and golden.json. No pickle: loading a
bundle executes none of its content, and every byte is checked before use.

A price is the answer of the local regression (``features.BASE``), corrected by the trees.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasador import engine
from tasador.comparables import Comparable
from tasador.encoders import Encoders
from tasador.errors import BundleError
from tasador.features import BASE, FEATURE_NAMES, Columns, arrays_of, is_missing, places_known
from tasador.intervals import LEVELS, Intervals, group_of, groups_of, size_of, widths
from tasador.listing import COLUMNS, Listing, read_listing
from tasador.manifest import (
    ENCODERS,
    GOLDEN,
    MODEL,
    SPREAD,
    TABLES,
    Manifest,
    read_manifest,
    read_verified,
    replace_file,
    sealed,
    write_manifest,
)

if TYPE_CHECKING:
    import xgboost

Array = np.ndarray[Any, Any]

# The serving engine may differ from the training engine by this much (relative) on golden rows.
GOLDEN_TOLERANCE = 1e-4

# What a large table is priced with; a single row is always priced in the caller's thread.
_THREADS = 2

_ASKED = tuple(name for name in COLUMNS if name != "price")


@dataclass(frozen=True, slots=True)
class Predictions:
    """Prices of a table: ``price`` [n] and, by level ("80", "90", "95"), ``low`` and ``high`` [n].

    Dollars. ``missing`` [n] holds for each row the names of its fields without a value.
    """

    price: Array
    low: dict[str, Array]
    high: dict[str, Array]
    missing: list[tuple[str, ...]]


class Bundle:
    """A loaded and verified model; safe to use from several threads."""

    def __init__(
        self,
        manifest: Manifest,
        encoders: Encoders,
        booster: engine.Booster,
        spread: engine.Booster,
        golden: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self.manifest = manifest
        self.encoders = encoders
        self.booster = booster
        self._spread = spread
        self._golden = golden

    @classmethod
    def load(cls, folder: str | Path, expected_digest: str = "") -> Bundle:
        """Load a bundle after checking all of it.

        Raises BundleError, naming the file, when the folder is not the unharmed bundle of that
        digest (an empty ``expected_digest`` accepts any model).
        """
        folder = Path(folder)
        manifest, contents = read_verified(folder, expected_digest)
        try:
            golden = json.loads(contents[GOLDEN])
        except ValueError as error:
            raise BundleError(f"{folder / GOLDEN} cannot be read: {error}") from error
        booster, spread = (_booster(folder / file, contents[file]) for file in (MODEL, SPREAD))
        encoders = Encoders.from_files(contents[ENCODERS], contents[TABLES])
        return cls(manifest, encoders, booster, spread, golden)

    def quicken(self) -> None:
        """Make single predictions faster from now on, where that changes no bit of them."""
        self.booster.quicken()
        self._spread.quicken()

    def predict(self, columns: Columns) -> Predictions:
        """Price every row of the columns; any of them may be missing in any row."""
        matrix = self.encoders.transform(columns)
        log_price = self._log_price(matrix)
        groups = groups_of(columns, places_known(matrix))
        sizes = size_of(self._spread.predict(matrix, _THREADS).astype(np.float64))
        low: dict[str, Array] = {}
        high: dict[str, Array] = {}
        for level in LEVELS:
            width = widths(self.manifest.intervals, level, groups, sizes)
            low[level], high[level] = np.exp(log_price - width), np.exp(log_price + width)
        return Predictions(np.exp(log_price), low, high, _missing(columns))

    def predict_one(self, listing: Listing) -> dict[str, Any]:
        """Price one listing.

        Returns ``price`` (dollars), ``intervals`` (level to [low, high]), ``missing`` (fields
        without a value) and ``warnings`` (sentences on values that the model has not met).
        """
        matrix = self.encoders.transform_one(listing)
        log_price = float(self._log_price(matrix)[0])
        group = group_of(listing, bool(places_known(matrix)[0]))
        size = float(size_of(self._spread.predict(matrix).astype(np.float64))[0])
        intervals = {
            level: [
                math.exp(log_price - size * half[group]),
                math.exp(log_price + size * half[group]),
            ]
            for level, half in self.manifest.intervals.items()
        }
        return {
            "price": math.exp(log_price),
            "intervals": intervals,
            "missing": list(listing.missing()),
            "warnings": self.warnings(listing),
        }

    def warnings(self, listing: Listing) -> list[str]:
        """What to know before trusting the price: values beyond or outside the training data."""
        found = []
        for name in ("bed", "bath", "acre_lot", "house_size"):
            value = getattr(listing, name)
            low, high = self.encoders.ranges[name]
            if value is not None and not low <= value <= high:
                border = low if value < low else high
                found.append(
                    f"{name} {value:,g} is outside the training range ({low:,g} to {high:,g}): "
                    f"priced as {border:,g}"
                )
        for name in ("state", "city", "zip_code", "brokered_by"):
            value = getattr(listing, name)
            if value is not None and not self.encoders.knows(name, listing):
                found.append(f"{name} {value!r} is not in the training data")
        return found

    def table_warnings(self, columns: Columns) -> dict[int, list[str]]:
        """``warnings`` of the rows of a table that have any, by row."""
        told = np.zeros(len(columns["house_size"]), dtype=bool)
        for name in ("bed", "bath", "acre_lot", "house_size"):
            low, high = self.encoders.ranges[name]
            told |= (columns[name] < low) | (columns[name] > high)
        for unknown in self.encoders.unknown(columns).values():
            told |= unknown
        return {
            row: found
            for row in np.flatnonzero(told).tolist()
            if (found := self.warnings(listing_at(columns, row)))
        }

    def comparables(self, listing: Listing, count: int = 5) -> list[Comparable]:
        """The known listings most like this one, the most alike first; none without a place."""
        return self.encoders.nearest(listing, count)

    def check_golden(self) -> float:
        """The largest relative difference from the answers that training gave to golden rows."""
        if not self._golden:
            raise BundleError(f"{GOLDEN} holds no rows: the bundle cannot be checked")
        listings = [_golden_listing(row["listing"]) for row in self._golden]
        expected = np.array([row["price"] for row in self._golden], dtype=np.float64)
        single = np.array([self.predict_one(listing)["price"] for listing in listings])
        table = self.predict(arrays_of(listings)).price
        answers = np.stack([single, table])
        if not np.isfinite(answers).all():
            return math.inf
        return float(np.max(np.abs(answers - expected) / expected))

    def log_effects(self, listing: Listing) -> tuple[Array, Array, float, float, Array]:
        """What makes up the log price of one listing, exactly.

        Returns the Tree-SHAP values of the trees by feature [len(FEATURES)], the terms of the local
        regression [len(TERMS)] as they depart from the nation's level, the base that both are added
        to, their sum, the log price, and the features [len(FEATURES)] that the trees saw.
        """
        matrix, design, coefficients, _ = self.encoders.look_up(listing)
        told = self.booster.contributions(matrix)[0].astype(np.float64)
        level = float(self.encoders.places.nation[0])
        effects = design * coefficients
        effects[0] -= level
        log_price = float(self._log_price(matrix)[0])
        return told[:-1], effects, level + float(told[-1]), log_price, matrix[0]

    def _log_price(self, matrix: Array) -> Array:
        """[n] float64: the local regression's answer and the trees' correction."""
        corrected = self.booster.predict(matrix, _THREADS).astype(np.float64)
        return np.asarray(matrix[:, BASE].astype(np.float64) + corrected)


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
    names, tables = encoders.to_files()
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
        xgboost=engine.version(),
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


def verify(folder: str | Path, expected_digest: str = "") -> Manifest:
    """Check every byte of a bundle; raises BundleError that names the file."""
    return read_verified(Path(folder), expected_digest)[0]


def listing_at(columns: Columns, row: int) -> Listing:
    """One row of a table."""
    values: dict[str, Any] = {}
    for name in COLUMNS:
        value = columns[name][row]
        absent = value is None or (isinstance(value, float) and math.isnan(value))
        values[name] = None if absent else value if isinstance(value, str) else float(value)
    return Listing(**values)


def _booster(path: Path, content: bytes) -> engine.Booster:
    try:
        booster = engine.Booster(content)
    except BundleError as error:
        raise BundleError(f"{path} cannot be loaded: {error}") from error
    if booster.features != len(FEATURE_NAMES):
        raise BundleError(
            f"{path} takes {booster.features} features and not {len(FEATURE_NAMES)}: "
            "it is of another version of Tasador"
        )
    return booster


def _golden_listing(stored: Mapping[str, Any]) -> Listing:
    listing, problems = read_listing(stored)
    if problems:
        raise BundleError(f"{GOLDEN} holds a row that cannot be read: {problems[0]}")
    return listing


def _missing(columns: Columns) -> list[tuple[str, ...]]:
    rows = len(columns["house_size"])
    absent = np.zeros((rows, len(_ASKED)), dtype=bool)
    for place, name in enumerate(_ASKED):
        absent[:, place] = is_missing(columns[name])
    # Rows share few patterns of missing fields, so each pattern is spelt out once.
    patterns, which = np.unique(absent @ (1 << np.arange(len(_ASKED))), return_inverse=True)
    spelt = [
        tuple(name for place, name in enumerate(_ASKED) if pattern >> place & 1)
        for pattern in patterns.tolist()
    ]
    return [spelt[place] for place in which.tolist()]
