"""Fitting trees, and importing the package that fits them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from tasador.engine.xgboost_library import sleep_while_waiting
from tasador.training.search_options import Params

# Squared up to errors of some 0.15 in log price and absolute beyond: an outlier counts once. The
# absolute error itself takes six times as long, since each tree's leaves are then medians. Each
# split chooses among half of the features, so trees differ more.
_PRICE: Params = {
    "objective": "reg:pseudohubererror",
    "huber_slope": 0.15,
    "colsample_bynode": 0.5,
}
_PATIENCE = 30
# So often is the error reported that a search prunes by.
RUNG = 50


def boost(
    params: Mapping[str, Any],
    training: Any,
    *,
    rounds: int,
    seed: int,
    judged: Any = None,
    report: Callable[[int, float], None] | None = None,
) -> Any:
    """Fit a booster on DMatrix ``training``; with ``judged``, stop early when it stops improving.

    ``report`` is called with (round, error) every fifty rounds and may raise to stop the fit.
    """
    import_xgboost()
    import xgboost

    class Rungs(xgboost.callback.TrainingCallback):
        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            if report is not None and (epoch + 1) % RUNG == 0:
                report(epoch + 1, min(evals_log["judged"]["mae"]))
            return False

    settings = {
        **({} if "objective" in params else _PRICE),
        **params,
        "eval_metric": "mae",
        "tree_method": "hist",
        # Threads would sum gradients in another order, and one seed would not give one model.
        "nthread": 1,
        "seed": seed,
        "verbosity": 1,
    }
    return xgboost.train(
        settings,
        training,
        rounds,
        evals=[] if judged is None else [(judged, "judged")],
        early_stopping_rounds=None if judged is None else _PATIENCE,
        callbacks=[Rungs()] if judged is not None else None,
        verbose_eval=False,
    )


def import_xgboost() -> Any:
    """Import the xgboost package; all training code imports it through this function.

    Its threads sleep while waiting. It also imports scikit-learn if that is installed, which would
    be most of a process's start-up time, so scikit-learn is hidden during the import.
    """
    sleep_while_waiting()
    hidden = "xgboost" not in sys.modules and "sklearn" not in sys.modules
    if hidden:
        sys.modules["sklearn"] = None  # type: ignore[assignment]
    try:
        import xgboost
    finally:
        if hidden:
            del sys.modules["sklearn"]
    return xgboost
