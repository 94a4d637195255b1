"""The model registry and experiment tracking: MLflow.

A version's source is the folder of its bundle in the object store; the reference data for drift
is stored next to it. The newest promotion in ops.model_history decides which version is champion.
The aliases ``champion`` and ``previous`` copy that for MLflow's users.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from tasador.errors import RegistryError
from tasador.model.model_ref import ModelRef
from tasador.records.loop import DecisionRecord
from tasador.settings import Settings
from tasador.stores.mlflow_rest import MlflowRest
from tasador.stores.model_version import ModelVersion

CHAMPION = "champion"
PREVIOUS = "previous"
# Characters that MLflow stores of a dataset's digest.
_DIGEST = 36
# Decisions as MLflow shows them.
_DECISIONS = {"waiting": "waits for approval", "rolled_back": "returned to"}


class Registry:
    """MLflow as Tasador uses it. Every method may be repeated safely."""

    def __init__(self, settings: Settings) -> None:
        self._mlflow = MlflowRest(settings)
        self._settings = settings
        self._name = settings.model_name

    # -- runs -----------------------------------------------------------------------------------

    def open_run(self, training_id: str, correlation_id: str) -> str:
        """The id of the MLflow run of one training; created by the first call."""
        experiment = self._experiment()
        known = self._mlflow.post(
            "runs/search",
            experiment_ids=[experiment],
            filter=f"tags.`tasador.training_id` = '{training_id}'",
            max_results=1,
        )
        if runs := known.get("runs"):
            return str(runs[0]["info"]["run_id"])
        return self._create_run(
            experiment,
            f"train-{training_id[:8]}",
            {"tasador.training_id": training_id, "tasador.correlation_id": correlation_id},
        )

    def log_trial(
        self, run_id: str, number: int, params: Mapping[str, Any], value: float | None
    ) -> None:
        """Log one trial of the study as a child run; ``value`` is None if it was pruned."""
        child = self._create_run(
            self._experiment(), f"trial-{number}", {"mlflow.parentRunId": run_id}
        )
        self._log(child, {} if value is None else {"error": value}, params)
        self._end_run(child, "FINISHED" if value is not None else "KILLED")

    def log_run(self, run_id: str, metrics: Mapping[str, float], params: Mapping[str, Any]) -> None:
        """Log the metrics and parameters of a training on its run."""
        self._log(run_id, metrics, params)

    def log_dataset(self, run_id: str, data: Mapping[str, Any]) -> None:
        """Log the training data as an input of its run; ``data`` is that of the manifest."""
        dataset = {
            "name": "clean listings",
            "digest": str(data["fingerprint"])[:_DIGEST],
            "source_type": "s3",
            "source": json.dumps({"uri": f"s3://{self._settings.bucket_clean}"}),
            # What MLflow shows of the size, and which files below the source were read.
            "profile": json.dumps({"num_rows": data["rows"], "batches": data["batch_ids"]}),
        }
        context = _pairs({"mlflow.data.context": "training"})
        self._mlflow.post(
            "runs/log-inputs", run_id=run_id, datasets=[{"dataset": dataset, "tags": context}]
        )

    def close_run(self, run_id: str) -> None:
        """Mark the run as finished."""
        self._end_run(run_id, "FINISHED")

    def _create_run(self, experiment: str, name: str, tags: Mapping[str, str]) -> str:
        created = self._mlflow.post(
            "runs/create",
            experiment_id=experiment,
            run_name=name,
            start_time=_milliseconds(),
            tags=_pairs(tags),
        )
        return str(created["run"]["info"]["run_id"])

    def _log(self, run_id: str, metrics: Mapping[str, float], params: Mapping[str, Any]) -> None:
        stamp = _milliseconds()
        self._mlflow.post(
            "runs/log-batch",
            run_id=run_id,
            metrics=[
                {"key": name, "value": float(value), "timestamp": stamp, "step": 0}
                for name, value in metrics.items()
            ],
            params=_pairs({name: str(value)[:500] for name, value in params.items()}),
        )

    def _end_run(self, run_id: str, status: str) -> None:
        self._mlflow.post("runs/update", run_id=run_id, status=status, end_time=_milliseconds())

    def _experiment(self) -> str:
        known = self._mlflow.get("experiments/get-by-name", experiment_name=self._name)
        if known is None:
            created = self._mlflow.post(
                "experiments/create",
                name=self._name,
                artifact_location=f"s3://{self._settings.bucket_mlflow}/{self._name}",
                # Without it, MLflow asks each visitor whether this is about prompts or models.
                tags=_pairs({"mlflow.experimentKind": "custom_model_development"}),
            )
            return str(created["experiment_id"])
        experiment = known["experiment"]
        if experiment["lifecycle_stage"] == "deleted":
            raise RegistryError(
                f"the MLflow experiment {self._name} is deleted: restore it with "
                f"`MLFLOW_TRACKING_URI={self._settings.mlflow_url} mlflow experiments restore "
                f"--experiment-id {experiment['experiment_id']}`, or choose another "
                "TASADOR_MODEL_NAME"
            )
        return str(experiment["experiment_id"])

    # -- versions -------------------------------------------------------------------------------

    def reserve_version(self, run_id: str, training_id: str, correlation_id: str) -> ModelVersion:
        """Register the version of one training before its bundle, which names it, is written."""
        for known in self._search():
            if known.training_id == training_id:
                return known
        if not self._registered():
            self._mlflow.post("registered-models/create", name=self._name)
        run = self._mlflow.get("runs/get", run_id=run_id)
        if run is None:
            raise RegistryError(f"{self._name} has no MLflow run {run_id}")
        created = self._mlflow.post(
            "model-versions/create",
            name=self._name,
            source=f"{run['run']['info']['artifact_uri']}/bundle",
            run_id=run_id,
            tags=_pairs(
                {"tasador.training_id": training_id, "tasador.correlation_id": correlation_id}
            ),
        )
        return self._read(created["model_version"])

    def confirm_version(self, version: int, digest: str) -> None:
        """Record that the version's bundle is in the store, with its digest."""
        self._mlflow.post(
            "model-versions/set-tag",
            name=self._name,
            version=str(version),
            key="tasador.digest",
            value=digest,
        )

    def describe(self, decided: DecisionRecord, batch: str = "") -> None:
        """Write a decision and its reasons where MLflow's users look: on the version and its run.

        ``batch`` names the batch that began the training. A version that the registry does not
        hold is left out.
        """
        if not self.holds(decided.model):
            return
        version, said = str(decided.version), _DECISIONS.get(decided.decision, decided.decision)
        reasons = "\n".join(f"- {reason}" for reason in decided.reasons)
        by = f" by {decided.decided_by}" if decided.decided_by else ""
        text = f"**{said.capitalize()}{by}**, {decided.decided_at:%Y-%m-%d %H:%M} UTC.\n\n{reasons}"
        self._mlflow.patch(
            "model-versions/update", name=self._name, version=version, description=text
        )
        for key, value in {
            "tasador.decision": said,
            "tasador.promotion": str(decided.promotion or ""),
        }.items():
            self._mlflow.post(
                "model-versions/set-tag", name=self._name, version=version, key=key, value=value
            )
        if decided.run_id:
            begun = f"{batch}: " if batch else ""
            name = f"{begun}version {version} {said}"
            self._mlflow.post("runs/update", run_id=decided.run_id, run_name=name)
            for key, value in {"tasador.decision": said, "mlflow.note.content": text}.items():
                self._mlflow.post("runs/set-tag", run_id=decided.run_id, key=key, value=value)

    def set_champion(self, promoted: DecisionRecord) -> None:
        """Set the aliases: ``champion`` on the promoted version, ``previous`` on the one it
        replaced. One that the registry no longer holds gets none.
        """
        held = {version.model.key: version for version in self.versions()}
        for alias, model in ((PREVIOUS, promoted.champion), (CHAMPION, promoted.model)):
            version = held.get(model.key)
            if version is not None and alias not in version.aliases:
                self._mlflow.post(
                    "registered-models/alias",
                    name=self._name,
                    alias=alias,
                    version=str(model.version),
                )

    def champion(self, newest: DecisionRecord | None) -> ModelVersion | None:
        """The version that should serve: that of the newest promotion in the history.

        A verb that died between the history and the registry left the aliases behind; they are set
        here. Without a promotion in the history (a new database) the alias decides. None before
        the first promotion.
        """
        if newest is None:
            return self.aliased(CHAMPION)
        aliased = self.aliased(CHAMPION)
        if aliased is None or aliased.model.key != newest.model.key:
            self.set_champion(newest)
        return ModelVersion.of_decision(newest)

    def holds(self, model: ModelRef) -> bool:
        """Whether the registry has the version, with the same digest."""
        return any(version.model.key == model.key for version in self.versions())

    def aliased(self, alias: str) -> ModelVersion | None:
        """The version with the alias ``champion`` or ``previous``."""
        return next((v for v in self.versions() if alias in v.aliases), None)

    def version(self, version: int) -> ModelVersion:
        """One version; raises RegistryError if it does not exist."""
        for known in self.versions():
            if known.version == version:
                return known
        raise RegistryError(
            f"{self._name} has no version {version}; `tasador models` lists the existing ones"
        )

    def versions(self) -> list[ModelVersion]:
        """All versions, newest first, each with its aliases."""
        models = self._registered()
        if not models:
            return []
        aliases: dict[int, list[str]] = {}
        for alias in models[0].get("aliases", []):
            aliases.setdefault(int(alias["version"]), []).append(str(alias["alias"]))
        return sorted(self._search(aliases), key=lambda v: -v.version)

    # -- helpers --------------------------------------------------------------------------------

    def _registered(self) -> list[dict[str, Any]]:
        found = self._mlflow.search(
            "registered-models/search", "registered_models", filter=f"name = '{self._name}'"
        )
        return list(found)

    def _search(self, aliases: Mapping[int, list[str]] | None = None) -> list[ModelVersion]:
        found = self._mlflow.search(
            "model-versions/search", "model_versions", filter=f"name = '{self._name}'"
        )
        return [self._read(v, (aliases or {}).get(int(v["version"]), [])) for v in found]

    def _read(self, version: Mapping[str, Any], aliases: list[str] | None = None) -> ModelVersion:
        tags = {tag["key"]: tag["value"] for tag in version.get("tags", [])}
        return ModelVersion(
            name=self._name,
            version=int(version["version"]),
            digest=tags.get("tasador.digest", ""),
            run_id=version.get("run_id", ""),
            artifact_uri=str(version["source"]).removesuffix("/bundle"),
            training_id=tags.get("tasador.training_id", ""),
            correlation_id=tags.get("tasador.correlation_id", ""),
            created=datetime.fromtimestamp(int(version["creation_timestamp"]) / 1000, UTC),
            aliases=tuple(aliases or ()),
        )


def _pairs(values: Mapping[str, Any]) -> list[dict[str, str]]:
    return [{"key": name, "value": str(value)} for name, value in values.items()]


def _milliseconds() -> int:
    return int(time.time() * 1000)
