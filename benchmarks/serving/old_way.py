"""The old way of serving the same bundle: FastAPI, mlflow.pyfunc, scikit-learn, pandas and shap.

    python old_way.py BUNDLE OUT       save the bundle as an MLflow pyfunc model
    MODEL=OUT uvicorn old_way:app      serve it

Written as such a service is usually written, and with care: the model and the explainer are made
once at the start, single rows are answered by one thread. Features and trees are Tasador's own, so
that the answers are the same and only the way around them differs.
"""

from __future__ import annotations

import os
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import mlflow.pyfunc
import pandas as pd
import shap
import xgboost
from fastapi import FastAPI
from mlflow.models import set_model
from pydantic import BaseModel

from tasador.engine import booster
from tasador.listings.table import columns_of
from tasador.model import bundle as tables
from tasador.model.bundle import Bundle


class Booster:
    """The engine of such a service: xgboost's Python package."""

    def __init__(self, content):
        self.booster, self._many = self._load(content, 1), self._load(content, os.cpu_count())
        self.features = self.booster.num_features()

    def predict(self, matrix, threads=1):
        """Predictions of a feature matrix; many rows by all processors."""
        return (self._many if len(matrix) > 1_000 else self.booster).inplace_predict(matrix)

    def _load(self, content, threads):
        booster = xgboost.Booster({"nthread": threads})
        booster.load_model(bytearray(content))
        booster.set_param({"nthread": threads})
        return booster


booster.Booster = Booster
tables.StoredModel = bytes  # which reads the file's content itself
# The package uses all processors by itself.
tables._THREADS = 1


class Price(mlflow.pyfunc.PythonModel):
    """The bundle as a pyfunc: a frame of listings in, a frame of prices and bounds out."""

    def load_context(self, context):
        """Load the bundle."""
        self.bundle = Bundle.load(context.artifacts["bundle"])

    def predict(self, context, model_input, params=None):
        """Price every row."""
        found = self.bundle.predict(columns_of(model_input))
        bounds = {f"low_{level}": low for level, low in found.low.items()}
        bounds |= {f"high_{level}": high for level, high in found.high.items()}
        return pd.DataFrame({"price": found.price, **bounds})


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
async def life(app):
    """Load the model and its explainer once."""
    app.state.model = mlflow.pyfunc.load_model(os.environ["MODEL"])
    app.state.bundle = app.state.model.unwrap_python_model().bundle
    app.state.explainer = shap.TreeExplainer(app.state.bundle.booster.booster)
    yield


app = FastAPI(lifespan=life)


@app.post("/predict")
def predict(house: House):
    """One listing."""
    frame = app.state.model.predict(pd.DataFrame([house.model_dump()]))
    return frame.iloc[0].to_dict()


@app.post("/batch_predict")
def batch_predict(houses: Houses):
    """Many listings."""
    frame = app.state.model.predict(pd.DataFrame([h.model_dump() for h in houses.listings]))
    return {"predictions": frame.to_dict(orient="records")}


@app.post("/batch_columns")
def batch_columns(request: Columns):
    """Many listings by column, as a service might offer that minds its speed."""
    frame = app.state.model.predict(pd.DataFrame(request.columns))
    return {"columns": frame.to_dict(orient="list")}


@app.post("/explain")
def explain(house: House):
    """What each feature adds by the trees, in log price."""
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
