"""NannyML's detectors, each fitted on the reference and asked about one batch as one chunk.

Every limit comes from outside (``ConstantThreshold``), so that NannyML's plots show the limits that
the verdict is made by. NannyML writes a failure inside a chunk to its log and goes on with NaN;
here that is an error.
"""

from __future__ import annotations

import logging
import math
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from tasador.drift.measures import AMOUNTS, CATEGORIES, PREDICTED, RATIO, DriftError

if TYPE_CHECKING:
    import pandas as pd

_SEED = 0


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


def chunk_size(batch_rows: int, reference_rows: int) -> int:
    """Rows of a chunk: the whole batch is one, the reference up to ten of equal size."""
    chunks = max(1, min(10, reference_rows // batch_rows))
    return max(batch_rows, math.ceil(reference_rows / chunks))


def distances(
    reference: pd.DataFrame, batch: pd.DataFrame, limits: Mapping[str, float]
) -> dict[str, Any]:
    """Univariate results by measured column: Kolmogorov-Smirnov or Jensen-Shannon.

    ``limits`` names the columns to compare; a column without any value on one side must not be
    among them.
    """
    nml = nannyml()
    results: dict[str, Any] = {}
    for column, limit in limits.items():
        method = "jensen_shannon" if column in CATEGORIES else "kolmogorov_smirnov"
        with loud(f"comparing {column}"):
            calculator = nml.UnivariateDriftCalculator(
                column_names=[column],
                treat_as_categorical=[column] if column in CATEGORIES else [],
                treat_as_numerical=[] if column in CATEGORIES else [column],
                continuous_methods=["kolmogorov_smirnov"],
                categorical_methods=["jensen_shannon"],
                chunk_size=chunk_size(len(batch), len(reference)),
                thresholds={method: nml.thresholds.ConstantThreshold(upper=float(limit))},
                # The name is what NannyML looks for, the settings beside it are what it reads.
                # Binned: the exact way computes p-values that nobody reads, and takes minutes.
                computation_params={"kolmogorov_smirnov": {}, "calculation_method": "estimated"},
            )
            calculator.fit(reference[[column]])
            results[column] = calculator.calculate(batch[[column]])
    return results


def reconstruction(
    reference: pd.DataFrame, batch: pd.DataFrame, limit: float, columns: Sequence[str]
) -> tuple[Any, float, float]:
    """The result of PCA reconstruction; mean and spread of a row's error in the reference.

    ``limit`` is how many spreads the batch's mean error may lie away from the reference's,
    ``columns`` are the measured columns that a row is made of.
    Imputation, encoding, scaling and the range that wild values are clipped to are all fitted on
    the reference alone.
    """
    nml = nannyml()
    columns = [c for c in columns if reference[c].notna().any()]
    known = reference[columns].copy()
    asked = batch[columns].copy()
    for name in (c for c in columns if c in AMOUNTS):
        low, high = np.nanquantile(known[name], [0.001, 0.999])
        known[name] = known[name].clip(low, high)
        # A column without any value would arrive as object and be taken for a category.
        asked[name] = asked[name].astype(np.float64).clip(low, high)
    for name in (c for c in columns if c in CATEGORIES):
        known[name] = known[name].astype(object).where(known[name].notna(), np.nan)
        asked[name] = asked[name].astype(object).where(asked[name].notna(), np.nan)

    def fitted(threshold: Any) -> Any:
        calculator = nml.DataReconstructionDriftCalculator(
            column_names=columns,
            chunk_size=chunk_size(len(batch), len(reference)),
            threshold=threshold,
        )
        return calculator.fit(known)

    with loud("the reconstruction of rows"):
        data = fitted(nml.thresholds.ConstantThreshold(upper=1.0)).result.data
        rows = data[("chunk", "end_index")] - data[("chunk", "start_index")] + 1
        errors = data["reconstruction_error"]
        usual = float(np.average(errors["value"], weights=rows))
        spread = float(np.average(errors["sampling_error"] * np.sqrt(rows), weights=rows))
        if spread == 0:
            raise DriftError("the reference's rows do not differ: nothing can be reconstructed")
        bounds = nml.thresholds.ConstantThreshold(
            lower=usual - limit * spread, upper=usual + limit * spread
        )
        return fitted(bounds).calculate(asked), usual, spread


def missing_rates(
    reference: pd.DataFrame, batch: pd.DataFrame, bounds: Mapping[str, tuple[float, float]]
) -> dict[str, Any]:
    """NannyML's missing-value rates by column; ``bounds`` are the lowest and highest rate."""
    nml = nannyml()
    results = {}
    for column, (low, high) in bounds.items():
        with loud(f"counting missing values of {column}"):
            calculator = nml.MissingValuesCalculator(
                column_names=[column],
                chunk_size=chunk_size(len(batch), len(reference)),
                threshold=nml.thresholds.ConstantThreshold(lower=low, upper=high),
            )
            calculator.fit(reference[[column]])
            results[column] = calculator.calculate(batch[[column]])
    return results


def unseen_rates(
    reference: pd.DataFrame, batch: pd.DataFrame, limits: Mapping[str, float]
) -> dict[str, Any]:
    """NannyML's rates of values that the reference does not hold; missing is no such value.

    The reference must hold a value of each column in ``limits``.
    """
    nml = nannyml()
    results = {}
    for column, limit in limits.items():
        with loud(f"counting new values of {column}"):
            calculator = nml.UnseenValuesCalculator(
                column_names=[column],
                chunk_size=chunk_size(len(batch), len(reference)),
                threshold=nml.thresholds.ConstantThreshold(upper=limit),
            )
            seen = reference[[column]].dropna().reset_index(drop=True)
            calculator.fit(seen)
            # A value that is missing is the missing rate's business.
            results[column] = calculator.calculate(batch[[column]].fillna(seen[column].iloc[0]))
    return results


def estimated_error(reference: pd.DataFrame, batch: pd.DataFrame, upper: float) -> Any:
    """Direct Loss Estimation of the champion's mean absolute log error on the batch, unlabelled.

    Both frames are measured rows with ``predicted`` (dollars); the reference's RATIO is known in
    every row. ``upper`` is the limit as a log error.
    """
    nml = nannyml()
    known, asked = _coded(reference, reference), _coded(batch, reference)
    known["actual"] = known["answer"] + reference[RATIO].to_numpy()
    features = [c for c in known.columns if c not in ("answer", "actual")]
    with loud("the estimate of the champion's error (DLE)"):
        estimator = nml.DLE(
            feature_column_names=features,
            y_pred="answer",
            y_true="actual",
            metrics=["mae"],
            chunk_size=chunk_size(len(batch), len(reference)),
            thresholds={"mae": nml.thresholds.ConstantThreshold(upper=float(upper))},
            hyperparameters={
                "n_estimators": 100,
                "min_child_samples": 50,
                "random_state": _SEED,
                "deterministic": True,
                "force_row_wise": True,
                "n_jobs": 2,
                "verbose": -1,
            },
        )
        estimator.fit(known)
        return estimator.estimate(asked)


def _coded(frame: pd.DataFrame, reference: pd.DataFrame) -> pd.DataFrame:
    """Numbers for DLE: categories as their rank in the reference, NaN for new and missing."""
    coded = frame[[c for c in AMOUNTS if c != "price"]].astype(np.float64)
    for name in CATEGORIES:
        ranks = {v: float(i) for i, v in enumerate(sorted(reference[name].dropna().unique()))}
        coded[name] = frame[name].map(ranks).astype(np.float64)
    coded["answer"] = np.log(frame[PREDICTED].to_numpy(dtype=np.float64))
    return coded.reset_index(drop=True)
