"""A dossier as a folder of files; dossier.json is written last and marks it as complete."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasador.dossier.baseline import drift_baseline
from tasador.dossier.blocks import Block, Picture, Text, to_markdown
from tasador.dossier.contract import data_contract
from tasador.dossier.facts import Facts, Measured, measure_all
from tasador.dossier.model_card import model_card
from tasador.dossier.names import INDEX, PAGE, README
from tasador.dossier.page import to_html
from tasador.dossier.sbom import IMAGES, licence_rows, sbom
from tasador.ratio_study.page import html

if TYPE_CHECKING:
    from tasador.progress import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """A written dossier: the content of dossier.json, and the blocks of its card."""

    index: dict[str, Any]
    card: list[Block]


def write_folder(facts: Facts, folder: Path, progress: Progress | None = None) -> Dossier:
    """Measure, and write everything into a folder, which is created if needed."""
    record = facts.record
    model = str(record.model)
    # Measuring takes longest. What fails without it fails before it.
    boms = {
        f"sbom-{image}.cdx.json": _json(sbom(image, model, record.digest, record.decided_at))
        for image in IMAGES
    }
    contract = data_contract(facts.frame, facts.bundle.manifest)
    baseline = drift_baseline(facts.reference, facts.baseline)
    measured = measure_all(facts, progress)
    card = list(model_card(facts, measured, contract, baseline))
    licences: list[Block] = [
        Text(f"# Licences of the packages that train and serve {model}"),
        licence_rows(),
    ]
    left_out = (
        {"not_measured": measured.no_left_out}
        if measured.left_out is None
        else asdict(measured.left_out)
    )
    files: dict[str, bytes] = {
        README: to_markdown(card).encode(),
        PAGE: to_html(f"{model}: model card", card).encode(),
        "data-contract.json": _json(contract),
        "drift-baseline.json": _json(baseline),
        "gate.json": _json(asdict(record)),
        "metrics.json": _json({"by_what_is_known": measured.by_group, "slices": measured.slices}),
        "ratio-study.json": _json(measured.ratio_study.as_dict()),
        "ratio-study.html": _ratio_page(facts, measured).encode(),
        "leave-out.json": _json(left_out),
        "licences.md": to_markdown(licences).encode(),
        **boms,
        **{block.file: block.content for block in card if isinstance(block, Picture)},
    }
    index = {
        "model": model,
        "digest": record.digest,
        "decision": record.decision,
        "decided_at": record.decided_at.isoformat(),
        "run_id": record.run_id,
        "correlation_id": record.correlation_id,
        "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
    }
    for name, content in {**files, INDEX: _json(index)}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return Dossier(index=index, card=card)


def _ratio_page(facts: Facts, measured: Measured) -> str:
    record = facts.record
    described = {
        "digest": record.digest,
        "decided": f"{record.decided_at:%Y-%m-%d}",
        "rows": "the permanent holdout",
    }
    return html(measured.ratio_study, f"Ratio study of {record.model}", described)


def _json(value: Any) -> bytes:
    return json.dumps(_plain(value), indent=1, allow_nan=False, ensure_ascii=False).encode() + b"\n"


def _plain(value: Any) -> Any:
    """The value in JSON types: times as ISO 8601, NaN and infinity as null."""
    if isinstance(value, dict):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
