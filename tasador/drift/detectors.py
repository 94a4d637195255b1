"""NannyML's detectors, each fitted once on the reference and asked about batches as one chunk.

The limits of a verdict depend on the size of a batch, so they come from outside and are written
into NannyML's results afterwards (``limited``), for its plots. NannyML writes a failure inside a
chunk to its log and goes on with NaN; here that is an error.
"""

from __future__ import annotations

import logging
import math
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from tasador.drift.measures import (
    AMOUNTS,
    ANSWER,
    CATEGORIES,
    PREDICTED,
    RATIO,
    DriftError,
    measures_of,
)
from tasador.listings.listing import INPUTS

if TYPE_CHECKING:
    import pandas as pd


@contextmanager
def loud(what: str) -> Iterator[None]:
    """Turn anything that goes wrong inside NannyML, also what it only logs, into a DriftError."""
    complaints: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            complaints.append(record.getMessage())

    listener = Listener(level=logging.ERROR)
    logger = logging.getLogger("nannyml")
    logger.addHandler(listener)
    try:
        with warnings.catch_warnings():
            # A batch is one chunk by intention; pandas 3 warns about NannyML's own frames.
            warnings.filterwarnings("ignore", message="The resulting number of chunks is too low")
            # Of equal distributions scipy may take the root of -1e-17 (checks.py knows them).
            warnings.filterwarnings("ignore", message="invalid value encountered in sqrt")
            warnings.filterwarnings("ignore", module=r"(nannyml|category_encoders|lightgbm)\b")
            yield
    except DriftError:
        raise
    except Exception as error:
        raise DriftError(f"{what} failed: {type(error).__name__}: {error}") from error
    finally:
        logger.removeHandler(listener)
    if complaints:
        raise DriftError(f"{what} failed: {complaints[0]}")


def nannyml() -> Any:
    """NannyML, imported when first needed (seconds), its phoning home switched off."""
    os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import nannyml as module
    return module


class Detectors:
    """The detectors of one reference. Each is fitted when it is first asked, and then kept.

    ``reference`` is ``make_reference``'s; ``raw`` batches below have a listing's columns,
    ``measured`` ones those of ``measures_of``. Results are NannyML's own objects: the reference in
    ten chunks, then the batch as one.
    """

    def __init__(self, reference: pd.DataFrame) -> None:
        self.raw = reference.reset_index(drop=True)
        self.measured = measures_of(self.raw, self.raw[PREDICTED].to_numpy(dtype=np.float64))
        self.priced = self.measured[self.measured[RATIO].notna()].reset_index(drop=True)
        self._fitted: dict[str, Any] = {}

    def distances(self, batch: pd.DataFrame) -> Any:
        """Kolmogorov-Smirnov of the measured numbers, Jensen-Shannon of the categories.

        A column without a value in the batch has NaN; one without a value in the reference is left
        out.
        """
        columns = self._known(*AMOUNTS, RATIO, ANSWER, *CATEGORIES)
        categories = [c for c in columns if c in CATEGORIES]

        def fit() -> Any:
            return (
                nannyml()
                .UnivariateDriftCalculator(
                    column_names=columns,
                    treat_as_categorical=categories,
                    treat_as_numerical=[c for c in columns if c not in categories],
                    continuous_methods=["kolmogorov_smirnov"],
                    categorical_methods=["jensen_shannon"],
                    chunker=_chunks(len(self.measured)),
                    # The name is what NannyML looks for, the settings beside it are what it reads.
                    # Binned: the exact way computes p-values that nobody reads, and takes minutes.
                    computation_params={
                        "kolmogorov_smirnov": {},
                        "calculation_method": "estimated",
                    },
                )
                .fit(self.measured[columns])
            )

        return self._ask("the comparison of distributions", fit, batch[columns])

    def missing(self, batch: pd.DataFrame) -> Any:
        """The rates of missing values of the raw inputs."""

        def flags(frame: pd.DataFrame) -> pd.DataFrame:
            """Whether there is a value is all that is asked, and Arrow's text is slow to tell."""
            gone = {c: np.where(frame[c].isna().to_numpy(dtype=bool), np.nan, 0.0) for c in INPUTS}
            return type(frame)(gone)

        def fit() -> Any:
            return (
                nannyml()
                .MissingValuesCalculator(column_names=list(INPUTS), chunker=_chunks(len(self.raw)))
                .fit(flags(self.raw))
            )

        return self._ask("the count of missing values", fit, flags(batch))

    def unseen(self, batch: pd.DataFrame) -> Any:
        """The rates of values of the measured categories that the reference, which has some, lacks.

        A value that is missing is the missing rate's business.
        """
        columns = self._known(*CATEGORIES)
        usual = self.measured[columns].mode().iloc[0]

        def fit() -> Any:
            return (
                nannyml()
                .UnseenValuesCalculator(column_names=columns, chunker=_chunks(len(self.measured)))
                .fit(self.measured[columns].fillna(usual))
            )

        return self._ask("the count of new values", fit, batch[columns].fillna(usual))

    def reconstruction(self, batch: pd.DataFrame, columns: tuple[str, ...]) -> Any:
        """PCA reconstruction of measured rows.

        Imputation, encoding, scaling and the range that wild values are clipped to are all fitted
        on the reference alone.
        """
        columns = tuple(self._known(*columns))
        amounts = [c for c in columns if c in AMOUNTS]
        categories = [c for c in columns if c in CATEGORIES]
        low, high = self.measured[amounts].quantile(0.001), self.measured[amounts].quantile(0.999)

        def ready(frame: pd.DataFrame) -> pd.DataFrame:
            made = frame[list(columns)].copy()
            # A column without any value would arrive as object and be taken for a category.
            made[amounts] = made[amounts].astype(np.float64).clip(low, high, axis=1)
            for name in categories:
                made[name] = made[name].astype(object).where(made[name].notna(), np.nan)
            return made

        def fit() -> Any:
            return (
                nannyml()
                .DataReconstructionDriftCalculator(
                    column_names=list(columns), chunker=_chunks(len(self.measured))
                )
                .fit(ready(self.measured))
            )

        return self._ask(f"the reconstruction of {', '.join(columns)}", fit, ready(batch))

    def estimated_error(self, batch: pd.DataFrame) -> Any:
        """Direct Loss Estimation of the champion's mean absolute log error, without labels.

        Of measured rows with an answer; fitted on the reference's rows whose RATIO is known.
        """
        ranks = {
            name: {v: float(i) for i, v in enumerate(sorted(self.priced[name].dropna().unique()))}
            for name in CATEGORIES
        }

        def coded(frame: pd.DataFrame) -> pd.DataFrame:
            """Numbers alone: categories as their rank in the reference, NaN for new and missing."""
            made = frame[[c for c in AMOUNTS if c != "price"]].astype(np.float64)
            for name in CATEGORIES:
                made[name] = frame[name].map(ranks[name]).astype(np.float64)
            made[ANSWER] = frame[ANSWER].to_numpy(dtype=np.float64)
            return made.reset_index(drop=True)

        def fit() -> Any:
            known = coded(self.priced)
            features = [c for c in known.columns if c != ANSWER]  # which DLE adds
            known["actual"] = known[ANSWER] + self.priced[RATIO].to_numpy()
            return (
                nannyml()
                .DLE(
                    feature_column_names=features,
                    y_pred=ANSWER,
                    y_true="actual",
                    metrics=["mae"],
                    chunker=_chunks(len(known)),
                    hyperparameters=_BOOSTER,
                )
                .fit(known)
            )

        return self._ask("the estimate of the champion's error (DLE)", fit, coded(batch))

    def _known(self, *columns: str) -> list[str]:
        """Those of the measured columns that the reference has a value of."""
        return [c for c in columns if self.measured[c].notna().any()]

    def _ask(self, what: str, fit: Callable[[], Any], batch: pd.DataFrame) -> Any:
        with loud(what):
            if what not in self._fitted:
                self._fitted[what] = fit()
            detector = self._fitted[what]
            detector.chunker.chunk_size = len(batch)
            asked = batch.reset_index(drop=True)
            ask = detector.estimate if hasattr(detector, "estimate") else detector.calculate
            return ask(asked)


def value_of(result: Any, *key: str) -> float:
    """NannyML's value for the batch, which is one chunk; never NaN."""
    values = result.data.loc[_periods(result) == "analysis", (*key, "value")]
    if len(values) != 1 or not math.isfinite(values.iloc[0]):
        raise DriftError(f"NannyML has no value for {' '.join(key)} of the batch")
    return float(values.iloc[0])


def usual_of(result: Any, *key: str) -> float:
    """The mean over the reference's rows of a value that NannyML gives by chunk."""
    return _weighted(result, (*key, "value"), 0.0)


def spread_of(result: Any, *key: str) -> float:
    """The standard deviation of a row's value in the reference, from its sampling errors."""
    return _weighted(result, (*key, "sampling_error"), 0.5)


def limited(result: Any, key: tuple[str, ...], lower: float | None, upper: float | None) -> Any:
    """The result with the limits of the verdict in it, which NannyML's plots draw."""
    data = result.data
    values = data[(*key, "value")]
    data[(*key, "lower_threshold")], data[(*key, "upper_threshold")] = lower, upper
    low, high = -math.inf if lower is None else lower, math.inf if upper is None else upper
    data[(*key, "alert")] = (values < low) | (values > high)
    return result


_BOOSTER = {
    "n_estimators": 100,
    "min_child_samples": 50,
    "random_state": 0,
    "deterministic": True,
    "force_row_wise": True,
    "n_jobs": 1,
    "verbose": -1,
}


def _chunks(rows: int) -> Any:
    """Ten chunks of the reference; a batch is made one chunk before it is asked about."""
    nannyml()
    from nannyml.chunk import SizeBasedChunker

    return SizeBasedChunker(chunk_size=max(1, math.ceil(rows / 10)))


def _periods(result: Any) -> Any:
    data = result.data
    chunk = ("chunk", "chunk") if data.columns.nlevels == 3 else ("chunk",)
    return data[(*chunk, "period")]


def _weighted(result: Any, column: tuple[str, ...], power: float) -> float:
    data = result.data[(_periods(result) == "reference").to_numpy()]
    chunk = ("chunk", "chunk") if data.columns.nlevels == 3 else ("chunk",)
    rows = data[(*chunk, "end_index")] - data[(*chunk, "start_index")] + 1
    return float(np.average(data[column] * rows**power, weights=rows))
