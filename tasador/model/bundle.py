"""A model bundle: a folder that holds everything needed to price a listing, and nothing to run.

manifest.json, encoders.json and tables.npz (what the features remember), model.ubj (the trees) and
spread.ubj (how far off they are) in xgboost's own format, and golden.json. No pickle: loading a
bundle executes none of its content, and every byte is checked before use.

A price is the answer of the local regression (``features.BASE``), corrected by the trees.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tasador.arrays import Array
from tasador.engine.booster import Booster
from tasador.engine.xgboost_library import StoredModel
from tasador.errors import BundleError
from tasador.listings.listing import COLUMNS, NUMBERS, Listing, read_listing
from tasador.model.categories import Read
from tasador.model.comparables import Comparable
from tasador.model.encoder_files import from_files
from tasador.model.encoders import CATEGORIES, Encoders
from tasador.model.features import (
    BASE,
    FEATURE_NAMES,
    Readable,
    absent_of,
    arrays_of,
    place_known,
    places_known,
)
from tasador.model.intervals import (
    LEVELS,
    group_of,
    groups_of,
    reaches,
    size_of,
    size_of_one,
)
from tasador.model.manifest import (
    ENCODERS,
    GOLDEN,
    MODEL,
    SPREAD,
    TABLES,
    Manifest,
    Verified,
    read_verified,
)
from tasador.model.threads import in_parts

if TYPE_CHECKING:
    from tasador.engine.single_row import Walk
    from tasador.engine.tree_shap import Shapley


# The serving engine may differ from the training engine by this much (relative) on golden rows.
GOLDEN_TOLERANCE = 1e-4

# What a large table is priced with, and from how many rows a thread on.
_THREADS, _ROWS_A_THREAD = 2, 1_000

# Comparables that an explanation shows.
_TOLD_ALIKE = 5

ASKED = tuple(name for name in COLUMNS if name != "price")


@dataclass(frozen=True)
class Predictions:
    """Prices of a table: ``price`` [n] and, by level ("80", "90", "95"), ``low`` and ``high`` [n].

    Dollars. ``absent`` [n, len(ASKED)] says which fields have no value, ``strange``
    [n, len(CATEGORIES)] which name a category that the training data has not.
    """

    price: Array
    low: dict[str, Array]
    high: dict[str, Array]
    absent: Array
    strange: Array

    @cached_property
    def missing(self) -> list[tuple[str, ...]]:
        """The names of each row's fields without a value."""
        # Rows share few patterns of missing fields, so each pattern is spelt out once.
        patterns, which = np.unique(self.absent @ (1 << np.arange(len(ASKED))), return_inverse=True)
        spelt = [
            tuple(name for place, name in enumerate(ASKED) if pattern >> place & 1)
            for pattern in patterns.tolist()
        ]
        return [spelt[place] for place in which.tolist()]


class LogEffects(NamedTuple):
    """What makes up a log price: ``base``, the Tree-SHAP values of the trees by feature
    [len(FEATURES)] and the terms of the local regression [len(TERMS)] as they depart from the
    nation's level; ``features`` [len(FEATURES)] are what the trees saw."""

    of_trees: Array
    of_terms: Array
    base: float
    log_price: float
    features: Array
    comparables: list[Comparable]


class Bundle:
    """A loaded and verified model; safe to use from several threads."""

    def __init__(
        self,
        manifest: Manifest,
        encoders: Encoders,
        booster: Booster,
        spread: Booster,
        golden: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self.manifest = manifest
        self.encoders = encoders
        self.booster = booster
        self._spread = spread
        self._golden = golden
        self._walk: Walk | None = None
        self._tables: Callable[[Array], list[Array]] | None = None
        self._shapley: Shapley | None = None

    @classmethod
    def load(cls, folder: str | Path, expected_digest: str = "") -> Bundle:
        """Load a bundle after checking all of it.

        Raises BundleError, naming the file, when the folder is not the unharmed bundle of that
        digest (an empty ``expected_digest`` accepts any model).
        """
        return cls.of(read_verified(Path(folder), expected_digest))

    @classmethod
    def of(cls, verified: Verified, models: Mapping[str, StoredModel] | None = None) -> Bundle:
        """Make the model of what has been read and checked; raises BundleError as ``load`` does.

        ``models`` are those of its files that the library has read already.
        """
        folder, manifest, contents = verified
        try:
            golden = json.loads(contents[GOLDEN])
        except ValueError as error:
            raise BundleError(f"{folder / GOLDEN} cannot be read: {error}") from error
        booster, spread = (
            _booster(folder / file, contents[file], (models or {}).get(file))
            for file in (MODEL, SPREAD)
        )
        encoders = from_files(contents[ENCODERS], contents[TABLES])
        return cls(manifest, encoders, booster, spread, golden)

    def quicken(self) -> None:
        """Make predictions faster from now on, where that changes no bit of them."""
        from tasador.engine import fast_path

        self.encoders.comparables.quicken()
        self._walk = fast_path.walk_of([self.booster, self._spread])

    def quicken_tables(self) -> None:
        """Make the predictions of tables faster from now on, where that changes no bit of them."""
        from tasador.engine import fast_path

        self._tables = fast_path.tables_of([self.booster, self._spread])

    def quicken_effects(self) -> None:
        """Make ``log_effects`` faster from now on, where that changes nothing but rounding."""
        from tasador.engine import fast_path

        self._shapley = fast_path.quick_contributions_of(self.booster)

    @property
    def explains_quickly(self) -> bool:
        """Whether ``log_effects`` takes less than a millisecond."""
        return self._shapley is not None

    def predict(self, columns: Readable) -> Predictions:
        """Price every row of the columns; any of them may be missing in any row."""
        read, absent = self.encoders.read(columns), absent_of(columns)
        parts = in_parts(
            lambda rows: self._priced(read.take(rows)),
            len(columns["house_size"]),
            _THREADS,
            _ROWS_A_THREAD,
        )
        log_price, log_size, known = map(np.concatenate, zip(*parts, strict=True))
        groups, sizes = groups_of(absent, known), size_of(log_size)
        low: dict[str, Array] = {}
        high: dict[str, Array] = {}
        for level in LEVELS:
            below, above = reaches(self.manifest.intervals, level, groups, sizes)
            low[level], high[level] = np.exp(log_price - below), np.exp(log_price + above)
        return Predictions(
            np.exp(log_price),
            low,
            high,
            np.column_stack([absent[name] for name in ASKED]),
            self.encoders.strange(absent, read.codes),
        )

    def _priced(self, rows: Read) -> tuple[Array, Array, Array]:
        """Log prices, the logs of their likely errors, and whether the place is known [n]."""
        matrix = self.encoders.features(rows)
        log_price, log_size = self._of_many(matrix)
        return log_price, log_size, places_known(matrix)

    def predict_one(self, listing: Listing) -> dict[str, Any]:
        """Price one listing.

        Returns ``price`` (dollars), ``intervals`` (level to [low, high]), ``missing`` (fields
        without a value) and ``warnings`` (sentences on values that the model has not met).
        """
        looked_up = self.encoders.look_up(listing)
        log_price, log_size = self._of_one(looked_up.matrix)
        group = group_of(listing, place_known(looked_up.distance))
        size = size_of_one(log_size)
        intervals = {}
        for level, ends in self.manifest.intervals.items():
            below, above = ends[group]
            intervals[level] = [
                math.exp(log_price - size * below),
                math.exp(log_price + size * above),
            ]
        return {
            "price": math.exp(log_price),
            "intervals": intervals,
            "missing": list(listing.missing()),
            "warnings": self.warnings(listing, looked_up.strange),
        }

    def warnings(self, listing: Listing, strange: Iterable[str]) -> list[str]:
        """What to know before trusting the price: values beyond or outside the training data.

        ``strange`` are the fields that name a category which was not in it.
        """
        found = []
        for name in NUMBERS:
            value = getattr(listing, name)
            low, high = self.encoders.ranges[name]
            if value is not None and not low <= value <= high:
                found.append(self._beyond(name, value))
        return [*found, *(_not_met(name, getattr(listing, name)) for name in strange)]

    def table_warnings(self, columns: Readable, strange: Array) -> dict[int, list[str]]:
        """``warnings`` of the rows of a table that have any, by row; ``strange`` as predicted."""
        found: defaultdict[int, list[str]] = defaultdict(list)
        for name in NUMBERS:
            low, high = self.encoders.ranges[name]
            values = np.asarray(columns[name])
            for row in np.flatnonzero((values < low) | (values > high)).tolist():
                found[row].append(self._beyond(name, values[row]))
        for name, rows in zip(CATEGORIES, strange.T, strict=True):
            for row in np.flatnonzero(rows).tolist():
                found[row].append(_not_met(name, columns[name][row]))
        return dict(sorted(found.items()))

    def _beyond(self, name: str, value: float) -> str:
        low, high = self.encoders.ranges[name]
        return (
            f"{name} {value:,g} is outside the training range ({low:,g} to {high:,g}): "
            f"priced as {low if value < low else high:,g}"
        )

    def check_golden(self) -> float:
        """The largest relative difference from the answers that training gave to golden rows.

        Each is looked up both by itself and with the others in a table, and priced with the others:
        that gives the same prices as one by one, in a fraction of the time.
        """
        if not self._golden:
            raise BundleError(f"{GOLDEN} holds no rows: the bundle cannot be checked")
        listings = [_golden_listing(row["listing"]) for row in self._golden]
        expected = np.array([row["price"] for row in self._golden], dtype=np.float64)
        matrix = np.concatenate([self.encoders.look_up(listing).matrix for listing in listings])
        table = self.predict(arrays_of(listings)).price
        answers = np.stack([np.exp(self._of_many(matrix)[0]), table])
        if not np.isfinite(answers).all():
            return math.inf
        return float(np.max(np.abs(answers - expected) / expected))

    def log_effects(self, listing: Listing) -> LogEffects:
        """What makes up the log price of one listing, exactly, and the listings most like it."""
        looked_up = self.encoders.look_up(listing)
        matrix = looked_up.matrix
        if self._shapley is not None:
            of_trees, base = self._shapley.contributions(matrix[0]), self._shapley.base
        else:
            *values, base = self.booster.contributions(matrix)[0].tolist()
            of_trees = np.array(values)
        level = float(self.encoders.places.nation[0])
        of_terms = looked_up.design * looked_up.coefficients
        of_terms[0] -= level
        return LogEffects(
            of_trees=of_trees,
            of_terms=of_terms,
            base=level + base,
            log_price=self._of_one(matrix)[0],
            features=matrix[0],
            comparables=self.encoders.nearest(looked_up, _TOLD_ALIKE),
        )

    def _of_many(self, matrix: Array) -> tuple[Array, Array]:
        """Log prices and the logs of their likely errors [n], of a matrix of n rows."""
        corrected, log_size = (
            self._tables(matrix)
            if self._tables is not None
            else [model.predict(matrix) for model in (self.booster, self._spread)]
        )
        return matrix[:, BASE].astype(np.float64) + corrected, log_size.astype(np.float64)

    def _of_one(self, matrix: Array) -> tuple[float, float]:
        """Log price and the log of its likely error, of a matrix of one row."""
        if self._walk is not None:
            corrected, log_size = self._walk.predict(matrix[0])
        else:
            corrected, log_size = (
                float(model.predict(matrix)[0]) for model in (self.booster, self._spread)
            )
        return float(matrix[0, BASE]) + corrected, log_size


def listing_at(columns: Readable, row: int) -> Listing:
    """One row of a table."""
    values: dict[str, Any] = {name: columns[name][row] for name in COLUMNS}
    for name, value in values.items():
        if value is not None and not isinstance(value, str):
            values[name] = None if math.isnan(value) else float(value)
    return Listing(**values)


def _not_met(name: str, value: Any) -> str:
    return f"{name} {value!r} is not in the training data"


def _booster(path: Path, content: bytes, model: StoredModel | None) -> Booster:
    try:
        booster = Booster(model or StoredModel(content))
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
