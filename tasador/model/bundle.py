"""A model bundle: a folder with everything that is needed to price a listing, and no code.

``tasador.model.manifest`` lists its files. Loading executes nothing of them (there is no pickle)
and checks every byte before use. A price is a blend of local regressions and premiums
(``tasador.model.blend``), corrected by the trees, and within what its surroundings bear out
(``tasador.model.support``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tasador.arrays import Array
from tasador.engine.engine import Engine, LibraryEngine
from tasador.engine.xgboost_library import StoredModel
from tasador.errors import BundleError
from tasador.listings.arrays import InputColumns, absent_of, arrays_of
from tasador.listings.listing import INPUTS, Listing
from tasador.listings.rules import SOLD
from tasador.model.bundle_files import files_of_trees, read_booster, read_encoders
from tasador.model.categories import ParsedRows
from tasador.model.comparable import Comparable
from tasador.model.confidence import LEVEL, Confidence
from tasador.model.encoders import EncodedListing, Encoders
from tasador.model.features import place_known, places_known
from tasador.model.golden import GoldenRow, read_golden
from tasador.model.intervals import (
    LEVELS,
    group_of,
    groups_of,
    reaches,
    read_factors,
    size_of,
    size_of_one,
)
from tasador.model.manifest import (
    FILLED,
    GOLDEN,
    MODEL,
    SPREAD,
    TREES,
    Manifest,
    Verified,
    read_verified,
)
from tasador.model.predictions import Predictions
from tasador.model.support import SUPPORTED, bounded, bounded_one
from tasador.model.threads import in_chunks
from tasador.model.value_warnings import warnings_of_one

if TYPE_CHECKING:
    from tasador.engine.trees import StoredTrees


# A table is priced by this many threads, if each gets at least so many rows.
_THREADS, _ROWS_PER_THREAD = 2, 1_000

_COMPARABLES_SHOWN = 10


class LogEffects(NamedTuple):
    """The terms of a log price: ``base``, the Tree-SHAP values and the premiums of the blend by
    feature [len(FEATURES)], and the terms of the local regressions [len(TERMS)] relative to the
    national level. ``of_support`` is how far the price leans back to those of its surroundings.
    ``features`` [len(FEATURES)] is the row that the trees saw, ``prediction`` what ``predict_one``
    returns."""

    of_trees: Array
    of_premiums: Array
    of_terms: Array
    of_support: float
    base: float
    log_price: float
    features: Array
    comparables: list[Comparable]
    prediction: dict[str, Any]


class Bundle:
    """A loaded and verified model; safe to use from several threads.

    ``engine`` evaluates the trees. ``fast_engine(engine, stored_trees())`` gives one that is faster
    and predicts the same; assign it to ``engine`` at any time.
    """

    def __init__(
        self,
        manifest: Manifest,
        encoders: Encoders,
        engine: Engine,
        golden: Sequence[GoldenRow] = (),
        tree_files: Verified | None = None,
    ) -> None:
        self.manifest = manifest
        self.encoders = encoders
        self.engine = engine
        self._tree_files = tree_files
        self._golden = golden
        self.confidence = Confidence.read(manifest.confidence)
        self._size_factors = read_factors(manifest.size_factors)

    @classmethod
    def load(cls, folder: str | Path, expected_digest: str = "") -> Bundle:
        """Load a bundle after checking all of it.

        Raises BundleError, naming the file, if the folder is damaged or holds a model of another
        digest (an empty ``expected_digest`` accepts any model).
        """
        return cls.of(read_verified(Path(folder), expected_digest))

    @classmethod
    def of(cls, verified: Verified, models: Mapping[str, StoredModel] | None = None) -> Bundle:
        """Create the bundle from verified files; raises BundleError as ``load`` does.

        ``models`` are the model files, by name, that the library has parsed already.
        """
        folder, manifest, contents = verified
        encoders = read_encoders(verified)
        price, spread = (
            read_booster(folder / file, contents[file], (models or {}).get(file), encoders)
            for file in (MODEL, SPREAD)
        )
        return cls(
            manifest,
            encoders,
            LibraryEngine(price, spread),
            read_golden(contents[GOLDEN], folder / GOLDEN),
            files_of_trees(verified),
        )

    def stored_trees(self) -> StoredTrees | None:
        """What the fast engine is built from; None for a bundle of format 4.

        The files are parsed here, not when the bundle is loaded. BundleError names the file.
        """
        if self._tree_files is None:
            return None
        from tasador.engine.trees import StoredTrees
        from tasador.model.tree_file import read_trees

        folder, _, contents = self._tree_files
        price, spread = (contents[file] for file in FILLED)
        return StoredTrees(read_trees(contents[TREES], folder / TREES), (price, spread))

    def predict(self, columns: InputColumns, *, threads: int = _THREADS) -> Predictions:
        """Price every row of a table by up to so many threads; any value may be missing."""
        read, absent = self.encoders.parse(columns), absent_of(columns)
        # Neighbours have the same comparables, so a chunk of them reads less memory.
        order = np.argsort(read.codes.zips)
        chunks = in_chunks(
            lambda rows: self._log_prices(read.take(order[rows])),
            len(order),
            threads,
            _ROWS_PER_THREAD,
        )
        log_price, log_size, known, moved, priced_as, zip_state = (
            _unsorted(np.concatenate(values), order) for values in zip(*chunks, strict=True)
        )
        groups, sizes = groups_of(absent, known), size_of(log_size)
        sizes *= self._size_factors.of_table(sizes, columns)
        low: dict[str, Array] = {}
        high: dict[str, Array] = {}
        for level in LEVELS:
            below, above = reaches(self.manifest.intervals, level, groups, sizes)
            low[level] = np.exp(log_price - (below + moved))
            high[level] = np.exp(log_price + (above + moved))
        return Predictions(
            np.exp(log_price),
            low,
            high,
            np.column_stack([absent[name] for name in INPUTS]),
            self.encoders.unknown_categories(absent, read.codes),
            priced_as,
            zip_state,
            None
            if self.confidence is None
            else self.confidence.of_table(low[LEVEL], high[LEVEL], columns),
        )

    def _log_prices(self, rows: ParsedRows) -> tuple[Array, ...]:
        """Log prices, the logs of their likely errors, whether the place is known, how far the rows
        leaned back (log price), the numbers that they count as, and their ``zip_state``."""
        matrix, leaned, zip_state = self.encoders.encode_rows(rows)
        before, log_size = self._evaluate(matrix)
        log_price = bounded(before, leaned.lowest, leaned.highest)
        moved = leaned.moved + np.abs(log_price - before)
        priced_as = np.column_stack([leaned.numbers[name] for name in SUPPORTED])
        return log_price, log_size, places_known(matrix), moved, priced_as, zip_state

    def predict_one(self, listing: Listing) -> dict[str, Any]:
        """Price one listing.

        Returns ``price`` (dollars), ``prices`` (see ``_prices``), ``intervals`` (level to
        [low, high]), ``confidence`` (see ``Confidence.of_one``; None if it was not measured),
        ``missing`` (fields without a value) and ``warnings`` (sentences on values that the model
        has not seen).
        """
        encoded = self.encoders.encode(listing)
        return self._priced(listing, encoded, *self._evaluate_one(encoded.matrix))

    def _priced(
        self, listing: Listing, encoded: EncodedListing, before: float, log_size: float
    ) -> dict[str, Any]:
        leaned = encoded.leaned
        log_price = bounded_one(before, leaned.lowest, leaned.highest)
        # How little is known: as much as the moves might be worth.
        moved = leaned.moved + abs(log_price - before)
        group = group_of(listing, place_known(encoded.distance))
        size = size_of_one(log_size)
        size *= self._size_factors.of_one(size, listing.state)
        intervals = {}
        for level, ends in self.manifest.intervals.items():
            below, above = ends[group]
            intervals[level] = [
                math.exp(log_price - (size * below + moved)),
                math.exp(log_price + (size * above + moved)),
            ]
        low, high = intervals[LEVEL]
        price = math.exp(log_price)
        return {
            "price": price,
            "prices": self._prices(listing, price),
            "intervals": intervals,
            "confidence": None
            if self.confidence is None
            else self.confidence.of_one(low, high, listing.state),
            "missing": list(listing.missing()),
            "warnings": warnings_of_one(listing, encoded, self.encoders),
        }

    def _prices(self, listing: Listing, price: float) -> dict[str, Any] | None:
        """The price by status, and in ``headline`` the status of ``price``.

        A listing with a status has that one only. One without a status is priced for sale, and what
        it would sell for is computed too. None for a bundle that does not know what a listing
        without a status is.
        """
        if listing.status is not None:
            return {"headline": listing.status, listing.status: price}
        if self.encoders.unstated is None:
            return None
        sold = self.encoders.encode(listing._replace(status=SOLD))
        before, _ = self._evaluate_one(sold.matrix)
        log_price = bounded_one(before, sold.leaned.lowest, sold.leaned.highest)
        unstated = self.encoders.unstated
        return {"headline": unstated, unstated: price, SOLD: math.exp(log_price)}

    def check_golden(self) -> float:
        """The largest relative difference from the prices that training gave the golden rows.

        Each row is encoded both alone and in a table; the trees evaluate all of them together,
        which gives the same prices as one at a time and takes a fraction of the time.
        """
        if not self._golden:
            raise BundleError(f"{GOLDEN} holds no rows: the bundle cannot be checked")
        listings = [row.listing for row in self._golden]
        expected = np.array([row.price for row in self._golden], dtype=np.float64)
        encoded = [self.encoders.encode(listing) for listing in listings]
        matrix = np.concatenate([one.matrix for one in encoded])
        of_table = np.exp(self._log_prices(self.encoders.parse(arrays_of(listings)))[0])
        leaned = [one.leaned for one in encoded]
        log_prices = bounded(
            self._evaluate(matrix)[0],
            np.array([one.lowest for one in leaned]),
            np.array([one.highest for one in leaned]),
        )
        prices = np.stack([np.exp(log_prices), of_table])
        if not np.isfinite(prices).all():
            return math.inf
        return float(np.max(np.abs(prices - expected) / expected))

    def log_effects(self, listing: Listing) -> LogEffects:
        """The exact terms of one listing's log price, and the listings most like it."""
        encoded = self.encoders.encode(listing)
        matrix = encoded.matrix
        of_trees, base = self.engine.contributions_one(matrix[0])
        level = float(self.encoders.places.nation[0])
        blend = self.encoders.blend
        regressions = np.vstack([self.encoders.places.nation, encoded.regressions])
        of_terms = encoded.design * blend.coefficients(regressions)
        of_terms[0] -= level
        before, log_size = self._evaluate_one(matrix)
        leaned = encoded.leaned
        log_price = bounded_one(before, leaned.lowest, leaned.highest)
        return LogEffects(
            of_trees=of_trees,
            of_premiums=blend.of_premiums(matrix[0]),
            of_terms=of_terms,
            of_support=log_price - before,
            base=level + blend.offset + base,
            log_price=log_price,
            features=matrix[0],
            comparables=self.encoders.nearest(encoded, math.exp(log_price), _COMPARABLES_SHOWN),
            prediction=self._priced(listing, encoded, before, log_size),
        )

    def _evaluate(self, matrix: Array) -> tuple[Array, Array]:
        """Log prices and the logs of their likely errors, float64 [n], of a feature matrix."""
        correction, log_size = self.engine.predict(matrix)
        base = self.encoders.blend.log_prices(matrix)
        return base + correction, log_size.astype(np.float64)

    def _evaluate_one(self, matrix: Array) -> tuple[float, float]:
        """``_evaluate`` for a matrix of one row."""
        correction, log_size = self.engine.predict_one(matrix[0])
        return self.encoders.blend.log_price_of_one(matrix[0]) + correction, log_size


def _unsorted(values: Array, order: Array) -> Array:
    """The rows of ``values`` [n, ...], of which row i belongs in place ``order`` [i]."""
    rows = np.empty_like(values)
    rows[order] = values
    return rows
