"""The verbs: write the dossier of a judged version beside its bundle, and fetch one.

It lies below the artifacts of the version's MLflow run, so MLflow shows it there.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasador.dossier.blocks import Block
from tasador.errors import TasadorError
from tasador.settings import Settings
from tasador.stores.lake import Lake, split
from tasador.stores.registry import ModelVersion, Registry
from tasador.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    from tasador.progress import Progress
    from tasador.training.inputs import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Where a dossier lies, and the blocks of its card."""

    uri: str
    card: list[Block]


def write(
    settings: Settings,
    planned: Plan,
    version: int,
    params: Mapping[str, Any],
    progress: Progress | None = None,
) -> Written:
    """Write the dossier of a version that was judged; writing it again gives the same.

    ``params`` are the training parameters that its search found. Raises TasadorError when the
    version was not judged yet.
    """
    from tasador.dossier.facts import Facts
    from tasador.dossier.folder import INDEX, write_folder
    from tasador.drift.verbs import reference_of
    from tasador.training import inputs

    registry, lake = Registry(settings), Lake(settings)
    registered = registry.version(version)
    with Warehouse(settings.database_url) as warehouse:
        record = warehouse.decision(version)
        if record is None:
            raise TasadorError(f"version {version} was not judged yet: a dossier tells a decision")
        batches = warehouse.batches(status="ready")
    trained = set(planned.batch_ids)
    reference, learnt = reference_of(lake, registered)
    facts = Facts(
        bundle=lake.load_bundle(registered.model),
        record=record,
        batches=[batch for batch in batches if batch.batch_id in trained],
        frame=inputs.training_frame(settings, planned),
        holdout=inputs.judged_rows(
            settings,
            inputs.known_at(batches, record),
            inputs.replaced_by(registry, record),
        ),
        reference=reference,
        learnt=learnt,
        params=params,
    )
    with tempfile.TemporaryDirectory(prefix="tasador-") as scratch:
        folder = Path(scratch)
        made = write_folder(facts, folder, progress)
        bucket, prefix = split(registered.dossier_uri)
        # The index goes last: where it is, all is.
        for name in (*made.index["files"], INDEX):
            lake.put_file(bucket, f"{prefix}/{name}", folder / name)
    return Written(uri=registered.dossier_uri, card=made.card)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A dossier that was downloaded: the version, where it lies, and the folder that holds it."""

    version: ModelVersion
    uri: str
    folder: Path

    @property
    def readme(self) -> str:
        """The model card, as Markdown."""
        from tasador.dossier.folder import README

        return (self.folder / README).read_text(encoding="utf-8")

    @property
    def index(self) -> dict[str, Any]:
        """What dossier.json says."""
        from tasador.dossier.folder import INDEX

        told: dict[str, Any] = json.loads((self.folder / INDEX).read_bytes())
        return told


def fetch(settings: Settings, version: int | None = None, out: Path | None = None) -> Fetched:
    """Download the dossier of a version (default: the champion) into a folder.

    ``out`` defaults to dossiers/NAME-VERSION in the home folder. Raises TasadorError when there is
    no such version, or no dossier of it.
    """
    from tasador.dossier.folder import INDEX

    registry, lake = Registry(settings), Lake(settings)
    found = registry.champion() if version is None else registry.version(version)
    if found is None:
        raise TasadorError("there is no champion yet: run `tasador pipeline`, or name a version")
    uri = found.dossier_uri
    if not lake.exists(f"{uri}/{INDEX}"):
        raise TasadorError(
            f"version {found.version} has no dossier at {uri}: its training was before dossiers, "
            "or the dossier step of its train flow failed (see its log)"
        )
    folder = out or settings.home / "dossiers" / f"{found.name}-{found.version}"
    return Fetched(version=found, uri=uri, folder=lake.download_folder(uri, folder))
