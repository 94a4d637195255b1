"""The file MLmodel next to a bundle, from which MLflow shows the signature of a version."""

from __future__ import annotations

import json

from tasador.listings.rules import RULES
from tasador.model.manifest import Manifest

MLMODEL = "MLmodel"


def mlmodel(manifest: Manifest, run_id: str) -> bytes:
    """The content of MLmodel: what the model reads, any of it missing, and what it answers.

    It is JSON, which is YAML too. The flavor is Tasador's own: only Tasador loads a bundle.
    """
    inputs = [
        {
            "name": rule.column,
            "type": "double" if rule.kind == "number" else "string",
            "required": False,
        }
        for rule in RULES
        if rule.column != "price"
    ]
    levels = sorted(manifest.intervals)
    answers = ["price", *(f"{bound}_{level}" for level in levels for bound in ("low", "high"))]
    outputs = [{"name": name, "type": "double"} for name in answers]
    content = {
        "flavors": {"tasador": {"format": manifest.format, "digest": manifest.digest}},
        "run_id": run_id,
        "signature": {"inputs": json.dumps(inputs), "outputs": json.dumps(outputs)},
        "utc_time_created": manifest.created,
    }
    return json.dumps(content, indent=1).encode()
