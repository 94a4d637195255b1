"""A version of the registered model, as the registry describes it. Imports nothing of MLflow."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tasador.model.model_ref import ModelRef
from tasador.records.loop import DecisionRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """One registered version. ``digest`` is empty until its bundle is in the store."""

    name: str
    version: int
    digest: str
    run_id: str
    artifact_uri: str
    training_id: str
    correlation_id: str
    created: datetime
    aliases: tuple[str, ...] = ()

    @classmethod
    def of_decision(cls, decision: DecisionRecord) -> ModelVersion:
        """The version that a decision is about, also if the registry no longer has it."""
        return cls(
            name=decision.model_name,
            version=decision.version,
            digest=decision.digest,
            run_id=decision.run_id,
            artifact_uri=decision.model_uri.removesuffix("/bundle"),
            training_id=decision.training_id,
            correlation_id=decision.correlation_id,
            created=decision.decided_at,
        )

    @property
    def model(self) -> ModelRef:
        """The reference to this version, without the number of a promotion."""
        return ModelRef(
            self.name, self.version, self.digest, self.uri, correlation_id=self.correlation_id
        )

    @property
    def uri(self) -> str:
        """The bundle's folder."""
        return f"{self.artifact_uri}/bundle"

    @property
    def reference_uri(self) -> str:
        """The reference data (Parquet) for judging drift against this version."""
        return f"{self.artifact_uri}/reference/reference.parquet"

    @property
    def dossier_uri(self) -> str:
        """The folder of the release dossier."""
        return f"{self.artifact_uri}/dossier"

    @property
    def baseline_uri(self) -> str:
        """The drift baseline (JSON): how much batches of one market vary."""
        return f"{self.artifact_uri}/reference/baseline.json"
