"""The usual way of serving the same bundle: FastAPI, mlflow.pyfunc, pandas and shap.

    python fastapi_mlflow.py BUNDLE OUT     save the bundle as an MLflow pyfunc model
    MODEL=OUT uvicorn fastapi_mlflow:app      serve it

It is written as such a service usually is, and with care: model and explainer are loaded once at
start-up, and one thread answers single rows. It shares Tasador's features and trees, so its answers
are the same and only the serving differs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import pandas as pd
import shap
import xgboost
from fastapi import FastAPI
from mlflow.models import set_model
from pydantic import BaseModel

from tasador.arrays import Array
from tasador.listings.table import columns_of
from tasador.model.bundle import Bundle
from tasador.model.manifest import MODEL, SPREAD


class PackageEngine:
    """The engine of such a service: xgboost's Python package."""

    explains_inline = False

    def __init__(self, folder: Path) -> None:
        self.price, self.price_of_many = _load(folder / MODEL)
        self.spread, self.spread_of_many = _load(folder / SPREAD)

    def predict(self, matrix: Array) -> tuple[Array, Array]:
        """Outputs of both models; many rows use all cores."""
        many = len(matrix) > 1_000
        price = self.price_of_many if many else self.price
        spread = self.spread_of_many if many else self.spread
        return price.inplace_predict(matrix), spread.inplace_predict(matrix)

    def predict_one(self, row: Array) -> tuple[float, float]:
        """``predict`` for one row."""
        price, spread = self.predict(row[None])
        return float(price[0]), float(spread[0])

    def contributions(self, matrix: Array) -> Array:
        """Not used: the service explains with shap."""
        raise NotImplementedError

    def contributions_one(self, row: Array) -> tuple[Array, float]:
        """Not used: the service explains with shap."""
        raise NotImplementedError


def _load(path: Path) -> tuple[xgboost.Booster, xgboost.Booster]:
    """The model for one thread, and for all cores."""

    def load(threads: int | None) -> xgboost.Booster:
        booster = xgboost.Booster({"nthread": threads})
        booster.load_model(path)
        booster.set_param({"nthread": threads})
        return booster

    return load(1), load(os.cpu_count())


class Price(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]
    """The bundle as a pyfunc: a frame of listings in, a frame of prices and bounds out."""

    def load_context(self, context: Any) -> None:
        """Load the bundle."""
        self.bundle = Bundle.load(context.artifacts["bundle"])
        self.bundle.engine = PackageEngine(Path(context.artifacts["bundle"]))

    def predict(self, context: Any, model_input: Any, params: Any = None) -> pd.DataFrame:
        """Price every row."""
        # The package parallelises by itself.
        predictions = self.bundle.predict(columns_of(model_input), threads=1)
        bounds = {f"low_{level}": low for level, low in predictions.low.items()}
        bounds |= {f"high_{level}": high for level, high in predictions.high.items()}
        return pd.DataFrame({"price": predictions.price, **bounds})


set_model(Price())


class House(BaseModel):
    """The request."""

    brokered_by: str | None = None
    status: str | None = None
    bed: float | None = None
    bath: float | None = None
    acre_lot: float | None = None
    street: str | None = None
    city: str | None = None
    state: str | None = None
    zip_code: str | None = None
    house_size: float | None = None
    prev_sold_date: str | None = None


class Houses(BaseModel):
    """A batch."""

    listings: list[House]


class Columns(BaseModel):
    """A batch by column."""

    columns: dict[str, list[str | float | None]]


@asynccontextmanager
async def life(app: FastAPI) -> AsyncIterator[None]:
    """Load the model and its explainer once."""
    app.state.model = mlflow.pyfunc.load_model(os.environ["MODEL"])
    app.state.bundle = app.state.model.unwrap_python_model().bundle
    app.state.explainer = shap.TreeExplainer(app.state.bundle.engine.price)
    yield


app = FastAPI(lifespan=life)


@app.post("/predict")
def predict(house: House) -> dict[Any, Any]:
    """One listing."""
    frame = app.state.model.predict(pd.DataFrame([house.model_dump()]))
    price: dict[Any, Any] = frame.iloc[0].to_dict()
    return price


@app.post("/batch_predict")
def batch_predict(houses: Houses) -> dict[str, Any]:
    """Many listings."""
    frame = app.state.model.predict(pd.DataFrame([h.model_dump() for h in houses.listings]))
    return {"predictions": frame.to_dict(orient="records")}


@app.post("/batch_columns")
def batch_columns(request: Columns) -> dict[str, Any]:
    """Many listings by column, as a service that cares about speed might offer."""
    frame = app.state.model.predict(pd.DataFrame(request.columns))
    return {"columns": frame.to_dict(orient="list")}


@app.post("/explain")
def explain(house: House) -> dict[str, Any]:
    """The Tree-SHAP values of the trees, in log price."""
    bundle = app.state.bundle
    matrix = bundle.encoders.transform(columns_of(pd.DataFrame([house.model_dump()])))
    values = app.state.explainer.shap_values(matrix)[0].tolist()
    return {
        "base": float(app.state.explainer.expected_value),
        "contributions": dict(zip(bundle.manifest.features, values, strict=True)),
    }


if __name__ == "__main__":
    bundle, out = sys.argv[1:]
    mlflow.pyfunc.save_model(
        out,
        python_model=str(Path(__file__).resolve()),
        artifacts={"bundle": Path(bundle).resolve().as_uri()},
        pip_requirements=[],
    )
