"""What a step of a flow imports: most of a small step's time goes into imports."""

import json
import subprocess
import sys

import pytest

HEAVY = {
    *("flaml", "httpx", "lightgbm", "matplotlib", "mlflow", "nannyml", "numba", "optuna", "pandas"),
    *("plotly", "pyarrow", "scipy", "shap", "sklearn", "xgboost"),
}
DRAW = """
import numpy as np
from tasador.flowkit import image_of
from tasador.training.effects_plot import effects_figure
values = np.arange(12.0).reshape(3, 4)
assert image_of(effects_figure(values, values, list("abcd"))) is not None
"""

PROFILE = """
import io
import json
import tempfile
from pathlib import Path
import pyarrow.parquet
from tasador.ingestion import loading
from tasador.ingestion.batch_file import profile, write_parquet
from tasador.listings.listing import COLUMNS
alike = {name: "Ponce" if name == "city" else 1.5 for name in COLUMNS}
rows = [{"price": 1.5, "bed": None, "city": "Ponce"}, {"price": 2}, {"price": -0.0}, {"colour": 1}]
with tempfile.TemporaryDirectory() as folder:
    columns, clean = Path(folder) / "columns.arrow", Path(folder) / "clean.parquet"
    for batch in ([{**alike, "status": None, "bed": None, "prev_sold_date": None}] * 2, rows):
        payload = io.BytesIO(json.dumps({"data": batch}).encode())
        loading.read_payload(payload, columns, lambda *lines: None, print)
    write_parquet(columns, clean, "b")
    file = pyarrow.parquet.ParquetFile(clean)
    assert profile([file.read()])["rows"] == 2
    file.close()
"""


def imported(code):
    """The modules that a new process has imported after running the code."""
    show = "\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code + show], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout))


@pytest.mark.parametrize(
    "flow", ["ingestion", "drift", "training", "monitoring", "scoring", "dossier"]
)
def test_verbs_import_nothing_heavy(flow):
    card = "" if flow == "dossier" else f"\nfrom tasador.{flow} import card"
    assert not HEAVY & imported(f"import metaflow\nfrom tasador.{flow} import verbs{card}")


def test_nannyml_is_imported_without_its_search_and_its_plots_of_distributions():
    modules = imported("from tasador.drift.detectors import nannyml\nnannyml()")
    assert {"nannyml", "sklearn", "pandas"} <= modules
    assert not {"flaml", "mlflow", "optuna", "shap", "xgboost"} & modules
    assert not {"matplotlib.pyplot", "seaborn"} & modules


def test_plot_of_a_card_is_drawn_without_pyplot_and_shap():
    modules = imported(DRAW)
    assert "matplotlib" in modules
    assert not {"matplotlib.pyplot", "numba", "pandas", "shap", "sklearn"} & modules


def test_card_costs_one_process():
    code = "from tasador.flowkit import main\nmain(lambda: None)\n"
    code += "from metaflow.plugins import CARDS\n"
    code += "blanks = [card for card in CARDS if card.type == 'blank']\n"
    # Metaflow starts a second one for cards that may change while a step runs.
    imported(f"{code}assert blanks and not any(card.RUNTIME_UPDATABLE for card in blanks)")


def test_httpx_is_imported_without_its_command_line():
    code = "from tasador.machine.http import import_httpx\nimport_httpx()\n"
    modules = imported(f"{code}from tasador.source.client import SourceClient")
    assert "httpx" in modules
    assert not {"click", "pygments", "rich"} & modules


def test_batch_is_read_and_profiled_without_pandas():
    assert not {"pandas", "sklearn"} & imported(PROFILE)
