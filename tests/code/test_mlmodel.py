"""The signature of a version, as MLflow reads it."""

import json

from tasador.listings.listing import NUMBERS
from tasador.model.manifest import FORMAT, Manifest
from tasador.stores.mlmodel import mlmodel


def test_mlflow_reads_the_signature_of_a_bundle():
    from mlflow.models import Model  # imported for seconds

    manifest = Manifest(
        name="tasador-price",
        version=4,
        digest="d" * 64,
        features=[],
        metrics={},
        intervals={"90": {}, "80": {}},
        data={},
        params={},
        ranges={},
        categories={},
        files={},
        git_sha="",
        created="2026-11-29T12:00:00+00:00",
        xgboost="",
        format=FORMAT,
        ratio_study={},
        confidence={},
        size_factors={},
    )
    read = Model.from_dict(json.loads(mlmodel(manifest, "run-1")))
    assert (read.run_id, read.utc_time_created) == ("run-1", manifest.created)
    inputs = {column.name: column.type.name for column in read.signature.inputs.inputs}
    assert {inputs[name] for name in NUMBERS} == {"double"}
    assert (inputs["city"], inputs["prev_sold_date"]) == ("string", "string")
    assert "price" not in inputs
    assert read.signature.inputs.required_input_names() == []
    outputs = read.signature.outputs.input_names()
    assert outputs == ["price", "low_80", "high_80", "low_90", "high_90"]
    assert read.flavors == {"tasador": {"format": manifest.format, "digest": manifest.digest}}
