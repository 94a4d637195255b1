"""The inputs of a training: its plan, its rows, and the rows that it is judged on.

The dossier reads the same inputs again after the decision.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from tasador.clock import now
from tasador.drift.reference import FEWEST_PREDICTIONS
from tasador.errors import BundleError, ObjectLost, SignatureError, TrainingError
from tasador.progress import Progress
from tasador.records.loop import Batch, DecisionRecord
from tasador.settings import Settings
from tasador.stores.lake import Lake
from tasador.stores.model_version import ModelVersion
from tasador.stores.registry import Registry
from tasador.warehouse.warehouse import Warehouse

if TYPE_CHECKING:
    import pandas as pd

    from tasador.model.bundle import Bundle
    from tasador.training.splits import Prepared


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one training covers; fixed by the first step of the flow.

    ``started_by``: the user who started it, or "event". ``rows`` of the batches are clean, and of
    these the rows of a ``share`` of the properties are read (``tasador.training.sampling``).
    """

    training_id: str
    correlation_id: str
    batch_ids: tuple[str, ...]
    rows: int
    started_by: str = ""
    share: float = 1.0


def training_frame(settings: Settings, planned: Plan) -> pd.DataFrame:
    """The clean rows of the plan's batches, in the order of the batches, or a sample of them."""
    import pandas as pd

    from tasador.training.sampling import sampled

    lake = Lake(settings)
    with Warehouse(settings.database_url) as warehouse:
        uris = {batch.batch_id: batch.clean_uri for batch in warehouse.batches(status="ready")}
    keep = partial(sampled, share=planned.share)
    parts = [lake.read_parquet(uris[batch_id], keep=keep) for batch_id in planned.batch_ids]
    return pd.concat(parts, ignore_index=True)


def prepared_rows(settings: Settings, planned: Plan, progress: Progress | None) -> Prepared:
    """The prepared rows; what no later step could use is an error before the search."""
    from tasador.training import splits

    try:
        frame = training_frame(settings, planned)
        prepared = splits.prepare(frame, share=planned.share, progress=progress)
    except TrainingError as error:
        with Warehouse(settings.database_url) as warehouse:
            refused = Counter[tuple[str, str]]()
            for batch_id in planned.batch_ids:
                for name, reason, rows, _ in warehouse.quarantine_reasons(batch_id):
                    refused[name, reason] += rows
        raise TrainingError(f"{error}{splits.describe_refused(refused)}") from error
    if prepared.holdout["price"].nunique() == 1:
        raise TrainingError(
            f"all {len(prepared.holdout):,} rows of the permanent holdout have one price, so no "
            "model can be judged on them: ingest more batches"
        )
    if len(prepared.holdout) < FEWEST_PREDICTIONS:
        raise TrainingError(
            f"only {len(prepared.holdout)} rows of {planned.rows:,} are in the permanent holdout, "
            f"one property in ten; at least {FEWEST_PREDICTIONS} are needed to judge a model: "
            "ingest more batches"
        )
    return prepared


def known_at(batches: Sequence[Batch], decided: DecisionRecord | None) -> list[Batch]:
    """The batches that were ready when the decision was made; all of them before a decision."""
    if decided is None:
        return list(batches)
    return [b for b in batches if b.ready_at is None or b.ready_at <= decided.decided_at]


def judged_rows(
    settings: Settings, batches: Sequence[Batch], champion: ModelVersion | None
) -> pd.DataFrame:
    """The rows that challenger and champion are compared on; see ``tasador.training.holdout``.

    A champion whose reference is missing or damaged adds none.
    """
    from tasador.training.holdout import holdout_mask, holdout_of

    lake = Lake(settings)
    kept = None
    if champion is not None:
        with suppress(ObjectLost):
            kept = lake.read_parquet(champion.reference_uri)
    frames = (lake.read_parquet(batch.clean_uri, keep=holdout_mask) for batch in batches)
    return holdout_of(frames, kept)


def champion_bundle(lake: Lake, champion: ModelVersion | None) -> tuple[Bundle | None, str]:
    """The champion's bundle, or why it has none although there is a champion.

    A champion that is lost must not keep its successor from being judged. Raises SignatureError if
    nobody trusted signed it: it is not lost, and judging without it would let a stranger choose the
    weaker checks.
    """
    if champion is None:
        return None, ""
    try:
        return lake.load_bundle(champion.model), ""
    except SignatureError:
        raise
    except BundleError as error:
        return None, (
            f"The champion {champion.model} cannot be read, so only the absolute checks judge the "
            f"challenger: {error}."
        )


def recorded_requests(
    warehouse: Warehouse, champion: ModelVersion, limit: int
) -> list[dict[str, Any]]:
    """The newest recorded requests to the champion, newest first."""
    samples = warehouse.request_samples(champion.model, champion.created, now(), limit)
    return [sample.listing for sample in samples]


def replaced_by(
    registry: Registry, warehouse: Warehouse, decided: DecisionRecord
) -> ModelVersion | None:
    """The champion that an existing decision was made against."""
    if not decided.champion_version:
        return None
    champion = warehouse.gate_decision(decided.champion)
    if champion is not None:
        return ModelVersion.of_decision(champion)
    # A row of an older release has no digest, and a new database lacks the champion's decision.
    return registry.version(decided.champion_version)
