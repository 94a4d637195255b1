"""The model registry and experiment tracking: MLflow.

A version's source is the folder of its bundle in the object store; the reference data for drift
is stored next to it. The newest promotion in ops.model_history decides which version is champion.
The aliases ``champion`` and ``previous`` copy that for MLflow's users.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tasador.environment import PROXIES, named
from tasador.errors import RegistryError, StoreRefused, StoreUnavailable
from tasador.model.model_ref import ModelRef
from tasador.records import DecisionRecord
from tasador.settings import Settings
from tasador.stores.model_version import ModelVersion

if TYPE_CHECKING:
    from mlflow import MlflowClient

# MLflow's codes for its own troubles, and for credentials.
_BROKEN = frozenset({"INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED"})
_REFUSED = frozenset({"PERMISSION_DENIED", "UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED"})

# Variables of MLflow's client; values that are set already stay.
_MLFLOW = {
    # Otherwise MLflow prints the URL of every run that ends, even of a trial.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # Half a minute in which a server may start again. By default it is four minutes, and two for
    # each answer.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "4",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}
CHAMPION = "champion"
PREVIOUS = "previous"


class Registry:
    """MLflow as Tasador uses it. Every method may be repeated safely."""

    def __init__(self, settings: Settings) -> None:
        settings.require("mlflow_url")
        self._settings = settings
        self._name = settings.model_name
        self._mlflow: MlflowClient | None = None

    @property
    def _client(self) -> MlflowClient:
        if self._mlflow is None:
            for name, value in _MLFLOW.items():
                os.environ.setdefault(name, value)
            # Takes seconds to import, and few commands need it.
            from mlflow import MlflowClient

            url = self._settings.mlflow_url
            self._mlflow = MlflowClient(tracking_uri=url, registry_uri=url)
        return self._mlflow

    # -- runs -----------------------------------------------------------------------------------

    def open_run(self, training_id: str, correlation_id: str) -> str:
        """The id of the MLflow run of one training; created by the first call."""
        with self._translated_errors():
            experiment = self._experiment()
            runs = self._client.search_runs(
                [experiment], f"tags.`tasador.training_id` = '{training_id}'", max_results=1
            )
            if runs:
                return str(runs[0].info.run_id)
            run = self._client.create_run(
                experiment,
                tags={
                    "tasador.training_id": training_id,
                    "tasador.correlation_id": correlation_id,
                },
                run_name=f"train-{training_id[:8]}",
            )
            return str(run.info.run_id)

    def log_trial(
        self, run_id: str, number: int, params: Mapping[str, Any], value: float | None
    ) -> None:
        """Log one trial of the study as a child run; ``value`` is None if it was pruned."""
        from mlflow.entities import Metric, Param

        metrics = [] if value is None else [Metric("error", value, int(time.time() * 1000), 0)]
        with self._translated_errors():
            child = self._client.create_run(
                self._experiment(),
                tags={"mlflow.parentRunId": run_id},
                run_name=f"trial-{number}",
            ).info.run_id
            self._client.log_batch(
                child, metrics=metrics, params=[Param(k, str(v)) for k, v in params.items()]
            )
            self._client.set_terminated(child, "FINISHED" if value is not None else "KILLED")

    def log_run(self, run_id: str, metrics: Mapping[str, float], params: Mapping[str, Any]) -> None:
        """Log the metrics and parameters of a training on its run."""
        from mlflow.entities import Metric, Param

        stamp = int(time.time() * 1000)
        with self._translated_errors():
            self._client.log_batch(
                run_id,
                metrics=[Metric(k, float(v), stamp, 0) for k, v in metrics.items()],
                params=[Param(k, str(v)[:500]) for k, v in params.items()],
            )

    def close_run(self, run_id: str) -> None:
        """Mark the run as finished."""
        with self._translated_errors():
            self._client.set_terminated(run_id, "FINISHED")

    def _experiment(self) -> str:
        experiment = self._client.get_experiment_by_name(self._name)
        if experiment is not None and experiment.lifecycle_stage == "deleted":
            raise RegistryError(
                f"the MLflow experiment {self._name} is deleted: restore it with "
                f"`MLFLOW_TRACKING_URI={self._settings.mlflow_url} mlflow experiments restore "
                f"--experiment-id {experiment.experiment_id}`, or choose another "
                "TASADOR_MODEL_NAME"
            )
        if experiment is not None:
            return str(experiment.experiment_id)
        location = f"s3://{self._settings.bucket_mlflow}/{self._name}"
        return str(self._client.create_experiment(self._name, artifact_location=location))

    # -- versions -------------------------------------------------------------------------------

    def reserve_version(self, run_id: str, training_id: str, correlation_id: str) -> ModelVersion:
        """Register the version of one training before its bundle, which names it, is written."""
        with self._translated_errors():
            for known in self._search(f"name = '{self._name}'"):
                if known.training_id == training_id:
                    return known
            if not self._client.search_registered_models(f"name = '{self._name}'"):
                self._client.create_registered_model(self._name)
            artifact_uri = self._client.get_run(run_id).info.artifact_uri
            created = self._client.create_model_version(
                self._name,
                source=f"{artifact_uri}/bundle",
                run_id=run_id,
                tags={
                    "tasador.training_id": training_id,
                    "tasador.correlation_id": correlation_id,
                },
                await_creation_for=0,
            )
            return self._read(created)

    def confirm_version(self, version: int, digest: str) -> None:
        """Record that the version's bundle is in the store, with its digest."""
        with self._translated_errors():
            self._client.set_model_version_tag(self._name, str(version), "tasador.digest", digest)

    def set_champion(self, promoted: DecisionRecord) -> None:
        """Set the aliases: ``champion`` on the promoted version, ``previous`` on the one it
        replaced. One that the registry no longer holds gets none.
        """
        held = {version.model.key: version for version in self.versions()}
        with self._translated_errors():
            for alias, model in ((PREVIOUS, promoted.champion), (CHAMPION, promoted.model)):
                version = held.get(model.key)
                if version is not None and alias not in version.aliases:
                    self._client.set_registered_model_alias(self._name, alias, str(model.version))

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
        with self._translated_errors():
            models = self._client.search_registered_models(f"name = '{self._name}'")
            if not models:
                return []
            aliases: dict[int, list[str]] = {}
            for alias, version in models[0].aliases.items():
                aliases.setdefault(int(version), []).append(alias)
            versions = self._search(f"name = '{self._name}'", aliases)
            return sorted(versions, key=lambda v: -v.version)

    # -- helpers --------------------------------------------------------------------------------

    def _search(
        self, text: str, aliases: Mapping[int, list[str]] | None = None
    ) -> list[ModelVersion]:
        versions: list[ModelVersion] = []
        token = None
        while True:
            page = self._client.search_model_versions(text, max_results=200, page_token=token)
            versions += [self._read(v, (aliases or {}).get(int(v.version), [])) for v in page]
            token = page.token
            if not token:
                return versions

    def _read(self, version: Any, aliases: list[str] | None = None) -> ModelVersion:
        tags = version.tags or {}
        return ModelVersion(
            name=self._name,
            version=int(version.version),
            digest=tags.get("tasador.digest", ""),
            run_id=version.run_id or "",
            artifact_uri=str(version.source).removesuffix("/bundle"),
            training_id=tags.get("tasador.training_id", ""),
            correlation_id=tags.get("tasador.correlation_id", ""),
            created=datetime.fromtimestamp(version.creation_timestamp / 1000, UTC),
            aliases=tuple(aliases or ()),
        )

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        from mlflow.exceptions import MlflowException

        try:
            yield
        except MlflowException as error:
            url = self._settings.mlflow_url
            if "Max retries exceeded" in str(error) or "failed with exception" in str(error):
                remedy = "" if self._settings.platform == "cluster" else ": run `tasador up`"
                raise StoreUnavailable(
                    f"MLflow at {url} does not answer ({_reason(error)}){remedy}"
                    f"{named('MLFLOW_', *PROXIES)}"
                ) from error
            where = f"MLflow at {url}"
            if error.error_code in _REFUSED:
                raise StoreRefused(f"{where} refuses this client: {error}") from error
            if error.error_code in _BROKEN:
                # Its database or its object store may be away, or refuse its credentials.
                raise StoreUnavailable(f"{where} failed: {error}") from error
            raise RegistryError(f"{where} refused: {error}") from error


def _reason(error: BaseException) -> str:
    """What the innermost cause of an error says, for example "Connection refused"."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return str(getattr(error, "strerror", None) or error or type(error).__name__).splitlines()[0]
