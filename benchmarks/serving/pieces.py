"""A function with one of its optimisations switched off: ``serve.py --without PIECE`` runs this.

    python benchmarks/serving/pieces.py PIECE FOLDER

PIECE is a key of ``PIECES``, or ``none`` for the function as it is.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

# The one piece that is off by default: its measurement serves with a collector.
TRACES = "traces"


def library_for_tables() -> None:
    """Tables are priced by the plain models, which have to test for missing values."""
    from tasador.engine.fast_engine import FastEngine

    _replace(FastEngine, "predict", lambda self, matrix: self.library.predict(matrix))


def library_for_single_rows() -> None:
    """One row is priced by the library."""
    from tasador.engine.fast_engine import FastEngine

    _replace(FastEngine, "predict_one", lambda self, row: self.library.predict_one(row))


def library_for_explanations() -> None:
    """Tree-SHAP values come from the library; explanations are then too slow to be inline."""
    from tasador.engine.fast_engine import FastEngine

    _replace(FastEngine, "contributions_one", lambda self, row: self.library.contributions_one(row))
    _replace(FastEngine, "explains_inline", property(lambda _self: False))


def python_package() -> None:
    """xgboost's Python package calls the library; it needs scipy, which serving images lack."""
    # The package imports these wherever they are installed; an image would not have them.
    for name in ("pandas", "sklearn", "pyarrow", "dask", "matplotlib"):
        sys.modules[name] = None  # type: ignore[assignment]
    import xgboost

    from functions import fetching
    from tasador.engine import fast_engine
    from tasador.model import bundle_files

    class Model(xgboost.Booster):
        def __init__(self, content: bytes) -> None:
            super().__init__({"nthread": 1})
            self.load_model(bytearray(content))
            self.set_param({"nthread": 1})

    class Booster:
        def __init__(self, model: Model) -> None:
            self._model = model
            self.features = model.num_features()

        def predict(self, matrix: Any) -> Any:
            return self._model.inplace_predict(matrix)

        def contributions(self, matrix: Any) -> Any:
            return self._model.predict(xgboost.DMatrix(matrix, nthread=1), pred_contribs=True)

    for module in (fetching, fast_engine, bundle_files):
        _replace(module, "StoredModel", Model)
    for module in (fast_engine, bundle_files):
        _replace(module, "Booster", Booster)


def workers_for_all() -> None:
    """Every request is passed to a worker thread."""
    from functions.endpoints import Endpoints

    _replace(Endpoints, "answers_inline", lambda _self, _method, _path: False)


def fixed_order() -> None:
    """Connections are read in the order in which they were opened."""
    from functions.server import Server

    _replace(Server, "move_to_end", lambda _self, _connection: None)


def buffered_answers() -> None:
    """Every answer goes through waitress's buffer."""
    from waitress.channel import HTTPChannel

    from functions.connection import Connection

    _replace(Connection, "write_soon", HTTPChannel.write_soon)


def copied_answers() -> None:
    """A long answer is copied on its way to the socket, as a short one is."""
    from functions import connection

    _replace(connection, "_COPIED_BYTES", sys.maxsize)


def numpy_docstrings() -> None:
    """numpy is imported with the docstrings of its compiled functions."""
    from functions import host

    _replace(host, "without_docstrings", lambda: None)


def standard_json() -> None:
    """The standard library reads requests and writes answers and log lines for good."""
    from functions import model

    _replace(model, "use_orjson", lambda: None)


def prometheus_metrics() -> None:
    """prometheus_client's own metrics count."""
    import prometheus_client

    from functions import metric_families

    registry = prometheus_client.CollectorRegistry()

    class Metric:
        def __init__(self, metric: Any) -> None:
            self._metric = metric
            self.inc = getattr(metric, "inc", None)
            self.set = getattr(metric, "set", None)

        def labels(self, *values: str) -> Metric:
            return Metric(self._metric.labels(*values)) if values else self

        def observe(self, value: float, times: int = 1, trace_id: str = "") -> None:
            exemplar = {"trace_id": trace_id} if trace_id else None
            for _ in range(times):
                self._metric.observe(value, exemplar)

        def observe_all(self, values: Any) -> None:
            for value in values.tolist():
                self._metric.observe(value)

    def counter(name: str, text: str, *labels: str) -> Metric:
        return Metric(prometheus_client.Counter(name, text, labels, registry=registry))

    def gauge(name: str, text: str, *labels: str) -> Metric:
        return Metric(prometheus_client.Gauge(name, text, labels, registry=registry))

    def histogram(name: str, text: str, bounds: tuple[float, ...], *labels: str) -> Metric:
        return Metric(
            prometheus_client.Histogram(name, text, labels, buckets=bounds, registry=registry)
        )

    for replacement in (counter, gauge, histogram):
        _replace(metric_families, replacement.__name__, replacement)
    _replace(metric_families, "_registry", lambda: registry)


def traces() -> None:
    """Each SIGUSR1 switches the sending of spans off, or on again."""
    from tasador.tracing import spans

    others: list[spans.Exporter | None] = [None]

    def switch(*_: object) -> None:
        others.append(spans._exporter)
        _replace(spans, "_exporter", others.pop(0))

    signal.signal(signal.SIGUSR1, switch)


PIECES: dict[str, Callable[[], None]] = {
    "filled-models": library_for_tables,
    "single-row": library_for_single_rows,
    "tree-shap": library_for_explanations,
    "ctypes": python_package,
    "inline-answers": workers_for_all,
    "move-to-end": fixed_order,
    "direct-send": buffered_answers,
    "shared-answers": copied_answers,
    "no-docstrings": numpy_docstrings,
    "orjson": standard_json,
    "own-metrics": prometheus_metrics,
    TRACES: traces,
}


def _replace(owner: object, name: str, value: object) -> None:
    """Set an attribute that must exist, so that a renamed one is noticed."""
    getattr(owner, name)
    setattr(owner, name, value)


def main() -> None:
    """Switch the piece off and serve, with the start-up settings of ``functions.host``."""
    piece, folder = sys.argv[1:]
    gc.disable()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    if piece != "none":
        PIECES[piece]()
    from functions import host

    sys.argv = [sys.argv[0], folder]
    host.main()


if __name__ == "__main__":
    main()
