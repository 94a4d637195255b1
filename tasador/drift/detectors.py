"""NannyML's detectors, each fitted once on the reference and run on a batch as one chunk.

The limits of a verdict depend on the size of the batch. So they are computed elsewhere and written
into NannyML's results afterwards (``with_limits``), for its plots. NannyML logs a failure inside a
chunk and continues with NaN; here that is an error.
"""

from __future__ import annotations

import logging
import math
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
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
def nannyml_errors(what: str) -> Iterator[None]:
    """Turn every failure inside NannyML, even one that it only logs, into a DriftError."""
    logged: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            logged.append(record.getMessage())

    listener = Listener(level=logging.ERROR)
    logger = logging.getLogger("nannyml")
    logger.addHandler(listener)
    try:
        with warnings.catch_warnings():
            # A batch is one chunk on purpose; pandas 3 warns about NannyML's own frames.
            warnings.filterwarnings("ignore", message="The resulting number of chunks is too low")
            # For equal shares scipy may take the square root of -1e-17 (checks.py handles it).
            warnings.filterwarnings("ignore", message="invalid value encountered in sqrt")
            warnings.filterwarnings("ignore", module=r"(nannyml|category_encoders|lightgbm)\b")
            yield
    except DriftError:
        raise
    except Exception as error:
        raise DriftError(f"{what} failed: {type(error).__name__}: {error}") from error
    finally:
        logger.removeHandler(listener)
    if logged:
        raise DriftError(f"{what} failed: {logged[0]}")


def nannyml() -> Any:
    """NannyML, imported on first use (seconds), with its usage logging switched off.

    It also imports FLAML, which searches for hyperparameters on request and imports MLflow, Optuna
    and xgboost, and for plots of distributions seaborn and statsmodels, which it does not declare
    and we do not install: half of the time. Nothing here requests either, so empty modules take
    their place during the import.
    """
    os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"
    hidden = {} if "nannyml" in sys.modules else _stand_ins()
    sys.modules.update(hidden)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import nannyml as module
    finally:
        for name in hidden:
            del sys.modules[name]
    return module


def _stand_ins() -> dict[str, ModuleType]:
    """Empty modules for those that NannyML need not import, by name."""
    flaml, seaborn, statsmodels = map(ModuleType, ("flaml", "seaborn", "statsmodels"))
    flaml.AutoML = None  # type: ignore[attr-defined]
    api = statsmodels.api = ModuleType("statsmodels.api")  # type: ignore[attr-defined]
    modules = {"flaml": flaml, "seaborn": seaborn, "statsmodels": statsmodels}
    modules["statsmodels.api"] = api
    return {
        name: each for name, each in modules.items() if name.partition(".")[0] not in sys.modules
    }


class Detectors:
    """The detectors of one reference. Each is fitted on first use and then kept.

    ``reference`` comes from ``make_reference``. Raw batches have a listing's columns, measured
    batches those of ``measures_of``. Results are NannyML's own: ten chunks of the reference,
    then the batch as one chunk.
    """

    def __init__(self, reference: pd.DataFrame) -> None:
        self.raw = reference.reset_index(drop=True)
        self.measured = measures_of(self.raw, self.raw[PREDICTED].to_numpy(dtype=np.float64))
        self.priced = self.measured[self.measured[RATIO].notna()].reset_index(drop=True)
        self._fitted: dict[str, Any] = {}

    def distances(self, batch: pd.DataFrame) -> Any:
        """Kolmogorov-Smirnov of the measured numbers, Jensen-Shannon of the categories.

        A column without values in the batch gets NaN; one without values in the reference is left
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
                    # NannyML looks for the method's name but reads the settings next to it.
                    # Binned: the exact method also computes unused p-values and takes minutes.
                    computation_params={
                        "kolmogorov_smirnov": {},
                        "calculation_method": "estimated",
                    },
                )
                .fit(self.measured[columns])
            )

        return self._run("the comparison of distributions", fit, batch[columns])

    def missing(self, batch: pd.DataFrame) -> Any:
        """The rates of missing values of the raw inputs."""

        def flags(frame: pd.DataFrame) -> pd.DataFrame:
            """Only whether a value exists matters, and Arrow's text columns are slow to check."""
            absent = {
                c: np.where(frame[c].isna().to_numpy(dtype=bool), np.nan, 0.0) for c in INPUTS
            }
            return type(frame)(absent)

        def fit() -> Any:
            return (
                nannyml()
                .MissingValuesCalculator(column_names=list(INPUTS), chunker=_chunks(len(self.raw)))
                .fit(flags(self.raw))
            )

        return self._run("the count of missing values", fit, flags(batch))

    def unseen(self, batch: pd.DataFrame) -> Any:
        """The rates of values of the measured categories that the reference lacks.

        Categories without any value in the reference are left out. Missing values do not count:
        ``missing`` measures those.
        """
        columns = self._known(*CATEGORIES)
        usual = self.measured[columns].mode().iloc[0]

        def fit() -> Any:
            return (
                nannyml()
                .UnseenValuesCalculator(column_names=columns, chunker=_chunks(len(self.measured)))
                .fit(self.measured[columns].fillna(usual))
            )

        return self._run("the count of new values", fit, batch[columns].fillna(usual))

    def reconstruction(self, batch: pd.DataFrame, columns: tuple[str, ...]) -> Any:
        """PCA reconstruction of measured rows.

        Imputation, encoding, scaling and the range to which outliers are clipped are all fitted on
        the reference alone.
        """
        columns = tuple(self._known(*columns))
        amounts = [c for c in columns if c in AMOUNTS]
        categories = [c for c in columns if c in CATEGORIES]
        low, high = self.measured[amounts].quantile(0.001), self.measured[amounts].quantile(0.999)

        def prepared(frame: pd.DataFrame) -> pd.DataFrame:
            inputs = frame[list(columns)].copy()
            # A column without values would have dtype object and be taken for a category.
            inputs[amounts] = inputs[amounts].astype(np.float64).clip(low, high, axis=1)
            for name in categories:
                inputs[name] = inputs[name].astype(object).where(inputs[name].notna(), np.nan)
            return inputs

        def fit() -> Any:
            return (
                nannyml()
                .DataReconstructionDriftCalculator(
                    column_names=list(columns), chunker=_chunks(len(self.measured))
                )
                .fit(prepared(self.measured))
            )

        return self._run(f"the reconstruction of {', '.join(columns)}", fit, prepared(batch))

    def estimated_error(self, batch: pd.DataFrame) -> Any:
        """Direct Loss Estimation of the champion's mean absolute log error, without labels.

        For measured rows with a prediction; fitted on the reference's rows with a known RATIO.
        """
        ranks = {
            name: {v: float(i) for i, v in enumerate(sorted(self.priced[name].dropna().unique()))}
            for name in CATEGORIES
        }

        def coded(frame: pd.DataFrame) -> pd.DataFrame:
            """Numbers only: categories by their rank in the reference, NaN for new and missing."""
            inputs = frame[[c for c in AMOUNTS if c != "price"]].astype(np.float64)
            for name in CATEGORIES:
                inputs[name] = frame[name].map(ranks[name]).astype(np.float64)
            inputs[ANSWER] = frame[ANSWER].to_numpy(dtype=np.float64)
            return inputs.reset_index(drop=True)

        def fit() -> Any:
            known = coded(self.priced)
            features = [c for c in known.columns if c != ANSWER]  # DLE adds it itself
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

        return self._run("the estimate of the champion's error (DLE)", fit, coded(batch))

    def _known(self, *columns: str) -> list[str]:
        """The given measured columns for which the reference has a value."""
        return [c for c in columns if self.measured[c].notna().any()]

    def _run(self, what: str, fit: Callable[[], Any], batch: pd.DataFrame) -> Any:
        with nannyml_errors(what):
            if what not in self._fitted:
                self._fitted[what] = fit()
            detector = self._fitted[what]
            detector.chunker.chunk_size = len(batch)
            run = detector.estimate if hasattr(detector, "estimate") else detector.calculate
            return run(batch.reset_index(drop=True))


def batch_value(result: Any, *key: str) -> float:
    """NannyML's value for the batch, which is one chunk. Raises DriftError for NaN."""
    values = result.data.loc[_periods(result) == "analysis", (*key, "value")]
    if len(values) != 1 or not math.isfinite(values.iloc[0]):
        raise DriftError(f"NannyML has no value for {' '.join(key)} of the batch")
    return float(values.iloc[0])


def reference_mean(result: Any, *key: str) -> float:
    """The mean over the reference's rows of a value that NannyML reports per chunk."""
    return _weighted(result, (*key, "value"), 0.0)


def reference_std(result: Any, *key: str) -> float:
    """The standard deviation of a row's value in the reference, from NannyML's sampling errors."""
    return _weighted(result, (*key, "sampling_error"), 0.5)


def with_limits(result: Any, key: tuple[str, ...], lower: float | None, upper: float | None) -> Any:
    """Write the verdict's limits into the result, so that NannyML's plots draw them; returns it."""
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
    """Ten chunks of the reference; ``Detectors`` makes a batch one chunk."""
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
