"""The verbs: write the dossier of a judged version next to its bundle, and fetch one.

It is stored below the artifacts of the version's MLflow run, so MLflow shows it there.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasador.dossier.blocks import Block, to_markdown
from tasador.dossier.evidence import evidence
from tasador.dossier.names import INDEX, PAGE, README
from tasador.errors import BundleError, TasadorError
from tasador.machine.files import replace_file
from tasador.settings import Settings
from tasador.stores.bundles import read_object
from tasador.stores.lake import Lake, split
from tasador.stores.model_version import ModelVersion
from tasador.stores.registry import CHAMPION, Registry
from tasador.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    from tasador.progress import Progress
    from tasador.training.inputs import Plan

# The page that is written when a dossier is fetched.
EVIDENCE = "evidence.md"
# Decisions that are searched, newest first.
_DECISIONS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The URI of a dossier, and the blocks of its card."""

    uri: str
    card: list[Block]


def write(
    settings: Settings,
    planned: Plan,
    version: int,
    params: Mapping[str, Any],
    progress: Progress | None = None,
) -> Written:
    """Write the dossier of a judged version; writing it again gives the same files.

    ``params`` are the training parameters from its search. Raises TasadorError if the version has
    not been judged yet.
    """
    from tasador.dossier.facts import Facts
    from tasador.dossier.folder import write_folder
    from tasador.drift.verbs import reference_of
    from tasador.training import inputs

    registry, lake = Registry(settings), Lake(settings)
    registered = registry.version(version)
    with Warehouse(settings.database_url) as warehouse:
        record = warehouse.decision_of_training(registered.training_id)
        if record is None:
            raise TasadorError(
                f"version {version} has not been judged yet: a dossier documents a decision"
            )
        batches = warehouse.usable_batches()
        champion = inputs.replaced_by(registry, warehouse, record)
    trained = set(planned.batch_ids)
    reference, baseline = reference_of(lake, registered)
    facts = Facts(
        # Rejected versions are not signed.
        bundle=lake.load_bundle(registered.model, signed=record.decision != "rejected"),
        record=record,
        batches=[batch for batch in batches if batch.batch_id in trained],
        frame=inputs.training_frame(settings, planned),
        holdout=inputs.judged_rows(
            settings,
            inputs.known_at(batches, record),
            champion,
        ),
        reference=reference,
        baseline=baseline,
        params=params,
        rotations=settings.dossier_rotations,
    )
    with tempfile.TemporaryDirectory(prefix="tasador-") as scratch:
        folder = Path(scratch)
        dossier = write_folder(facts, folder, progress)
        bucket, prefix = split(registered.dossier_uri)
        # The index goes last: it marks the dossier as complete.
        for name in (*dossier.index["files"], INDEX):
            lake.put_file(bucket, f"{prefix}/{name}", folder / name)
    return Written(uri=registered.dossier_uri, card=dossier.card)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """A downloaded dossier: its version, its URI, and the local folder."""

    version: ModelVersion
    uri: str
    folder: Path

    @property
    def readme(self) -> str:
        """The model card, as Markdown."""
        return (self.folder / README).read_text(encoding="utf-8")

    @property
    def page(self) -> Path:
        """The model card as a page for a browser; older dossiers lack it."""
        return self.folder / PAGE

    @property
    def index(self) -> dict[str, Any]:
        """The content of dossier.json."""
        index: dict[str, Any] = json.loads((self.folder / INDEX).read_bytes())
        return index


def fetch(settings: Settings, version: int | None = None, out: Path | None = None) -> Fetched:
    """Download the dossier of a version (default: the champion) into a folder.

    ``out`` defaults to dossiers/NAME-VERSION-DIGEST in the home folder. With the database the
    folder gets evidence.md: what people decided and reviewed since. Raises TasadorError if
    there is no such version or it has no dossier.
    """
    registry, lake = Registry(settings), Lake(settings)
    registered = registry.aliased(CHAMPION) if version is None else registry.version(version)
    if registered is None:
        raise TasadorError("there is no champion yet: run `tasador pipeline`, or name a version")
    uri = registered.dossier_uri
    if not lake.exists(f"{uri}/{INDEX}"):
        raise TasadorError(
            f"version {registered.version} has no dossier at {uri}: it was trained before dossiers "
            "existed, or the dossier step of its train flow failed (see its log)"
        )
    # The digest too: a model that was begun again counts its versions from 1 again.
    name = f"{registered.name}-{registered.version}-{registered.digest[:12]}"
    folder = out or settings.home / "dossiers" / name
    _refuse_other(folder, registered)
    fetched = Fetched(version=registered, uri=uri, folder=lake.download_folder(uri, folder))
    if settings.database_url:
        _add_evidence(settings, fetched)
    return fetched


def _refuse_other(folder: Path, version: ModelVersion) -> None:
    """Raise TasadorError if the folder holds the dossier of another version."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        index = json.loads((folder / INDEX).read_bytes())
        if (index["model"], index["digest"]) != (str(version.model), version.digest):
            raise TasadorError(f"{folder} holds the dossier of {index['model']}: name another one")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A dossier in the object store; ``digests`` has the SHA-256 of each file by its name."""

    uri: str
    digests: Mapping[str, str]

    def read(self, name: str, settings: Settings) -> bytes:
        """One of its files, as the index describes it.

        Raises BundleError if it is missing or another one, and as ``find_stored`` does.
        """
        content = read_object(f"{self.uri}/{name}", settings)
        if content is None or hashlib.sha256(content).hexdigest() != self.digests[name]:
            found = "is missing" if content is None else "is not the one"
            raise BundleError(f"{self.uri}/{name} {found} that {INDEX} names")
        return content


def find_stored(settings: Settings, uri: str, digest: str) -> Stored | None:
    """The complete dossier at ``uri`` of the model with ``digest``; None if there is none.

    To read a file of it takes neither boto3 nor a folder. Raises StoreUnavailable if the store does
    not answer, StoreRefused if it refuses the key, ConfigurationError without its address, and
    BundleError for an index that is none.
    """
    if not uri.startswith(f"s3://{settings.bucket_mlflow}/"):
        return None
    content = read_object(f"{uri}/{INDEX}", settings)
    if content is None:
        return None
    try:
        index = json.loads(content)
        stated, digests = index["digest"], {str(n): str(d) for n, d in index["files"].items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise BundleError(f"{uri}/{INDEX} is not the index of a dossier: {error!r}") from None
    digests[INDEX] = hashlib.sha256(content).hexdigest()
    return Stored(uri=uri, digests=digests) if stated == digest else None


def _add_evidence(settings: Settings, fetched: Fetched) -> None:
    """Write what people decided and reviewed since, which the stored dossier cannot hold."""
    model = fetched.version.model
    with Warehouse(settings.database_url) as warehouse:
        decisions = [
            decision
            for decision in reversed(warehouse.model_history(_DECISIONS, name=model.name))
            if decision.model.key == model.key
        ]
        batches = warehouse.batches()
        reviews = [
            review
            for review in warehouse.reviews()
            if (review.model_name, review.model_version, review.model_digest) == model.key
        ]
    if not decisions:
        return
    trained = set(decisions[0].batch_ids)
    page = evidence(decisions, [b for b in batches if b.batch_id in trained], reviews)
    replace_file(fetched.folder / EVIDENCE, to_markdown(page).encode())
