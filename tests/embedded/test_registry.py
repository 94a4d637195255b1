"""The registry on a real MLflow: what it writes, MLflow's own client reads."""

import json
import math
import uuid
from dataclasses import replace

import pytest

from tasador.errors import RegistryError, StoreUnavailable
from tasador.stores.registry import CHAMPION, PREVIOUS, Registry
from tests.kit.network import free_port
from tests.kit.records import make_decision


@pytest.fixture
def settings(platform):
    return platform._replace(model_name=f"test-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def client(settings):
    from mlflow import MlflowClient  # imported for seconds

    return MlflowClient(settings.mlflow_url)


def test_run_of_a_training_and_its_trials(settings, client):
    registry = Registry(settings)
    run_id = registry.open_run("t-1", "c-1")
    assert Registry(settings).open_run("t-1", "c-1") == run_id
    registry.log_trial(run_id, 0, {"eta": 0.1, "depth": 6}, 0.25)
    registry.log_trial(run_id, 1, {"eta": 0.2, "depth": 4}, None)
    registry.log_run(run_id, {"r2": 0.8, "cod": math.nan}, {"notes": "x" * 900, "seed": 0})
    data = {"fingerprint": "f" * 64, "rows": 900, "batch_ids": ["b-1", "b-2"]}
    for _ in range(2):
        registry.log_dataset(run_id, data)
    registry.close_run(run_id)

    experiment = client.get_experiment_by_name(settings.model_name)
    assert experiment.artifact_location == f"s3://{settings.bucket_mlflow}/{settings.model_name}"
    run = client.get_run(run_id)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "train-t-1")
    assert run.info.start_time <= run.info.end_time
    assert run.data.tags["tasador.correlation_id"] == "c-1"
    assert run.data.metrics["r2"] == 0.8
    assert math.isnan(run.data.metrics["cod"])
    assert run.data.params == {"notes": "x" * 500, "seed": "0"}
    [logged] = run.inputs.dataset_inputs
    assert (logged.dataset.name, logged.dataset.digest) == ("clean listings", "f" * 36)
    assert json.loads(logged.dataset.source) == {"uri": f"s3://{settings.bucket_clean}"}
    assert json.loads(logged.dataset.profile) == {"num_rows": 900, "batches": ["b-1", "b-2"]}
    assert [tag.value for tag in logged.tags] == ["training"]
    tag = f"tags.mlflow.parentRunId = '{run_id}'"
    pruned, finished = client.search_runs([experiment.experiment_id], tag)
    assert (finished.info.run_name, finished.info.status) == ("trial-0", "FINISHED")
    assert finished.data.params == {"eta": "0.1", "depth": "6"}
    assert finished.data.metrics == {"error": 0.25}
    assert (pruned.info.status, pruned.data.metrics) == ("KILLED", {})


def test_versions_and_their_aliases(settings, client):
    registry = Registry(settings)
    assert registry.versions() == []
    made = []
    for number in (1, 2):
        run_id = registry.open_run(f"t-{number}", f"c-{number}")
        made.append(registry.reserve_version(run_id, f"t-{number}", f"c-{number}"))
        assert registry.reserve_version(run_id, f"t-{number}", f"c-{number}") == made[-1]
        registry.confirm_version(number, f"digest-{number}")
    assert [version.version for version in made] == [1, 2]
    assert made[0].uri == f"{client.get_run(made[0].run_id).info.artifact_uri}/bundle"
    assert client.get_model_version(settings.model_name, "2").tags["tasador.digest"] == "digest-2"

    registry.set_champion(
        make_decision(
            model_name=settings.model_name,
            version=2,
            digest="digest-2",
            champion_version=1,
            champion_digest="digest-1",
        )
    )
    assert registry.aliased(CHAMPION).version == 2
    assert registry.aliased(PREVIOUS).version == 1
    assert client.get_model_version_by_alias(settings.model_name, CHAMPION).version == "2"
    assert [version.digest for version in registry.versions()] == ["digest-2", "digest-1"]
    with pytest.raises(RegistryError, match="has no version 3"):
        registry.version(3)


def test_decision_is_described_on_the_version_and_its_run(settings, client):
    registry = Registry(settings)
    run_id = registry.open_run("t-1", "c-1")
    registry.reserve_version(run_id, "t-1", "c-1")
    registry.confirm_version(1, "digest-1")
    decided = make_decision(
        model_name=settings.model_name,
        version=1,
        digest="digest-1",
        run_id=run_id,
        decision="rejected",
        promotion=None,
        reasons=["R² fell.", "RMSE rose."],
    )
    for _ in range(2):
        registry.describe(decided, "batch 3")
    version = client.get_model_version(settings.model_name, "1")
    assert version.description.startswith("**Rejected**, 2026-01-31 12:00 UTC.")
    assert "- R² fell.\n- RMSE rose." in version.description
    assert version.tags["tasador.decision"] == "rejected"
    run = client.get_run(run_id)
    assert run.info.run_name == "batch 3: version 1 rejected"
    assert run.info.status == "RUNNING"
    assert run.data.tags["mlflow.note.content"] == version.description
    experiment = client.get_experiment_by_name(settings.model_name)
    assert experiment.tags["mlflow.experimentKind"] == "custom_model_development"
    # A person's later decision takes its place; one on a version that is not held is left out.
    registry.describe(replace(decided, decision="rolled_back", decided_by="ana", promotion=9))
    version = client.get_model_version(settings.model_name, "1")
    assert version.description.startswith("**Returned to by ana**")
    registry.describe(replace(decided, version=7))


def test_quotation_mark_in_a_training_id_is_refused(settings):
    with pytest.raises(RegistryError, match="refused: INVALID_PARAMETER_VALUE"):
        Registry(settings).open_run("t'1", "c-1")


def test_mlflow_that_does_not_run(settings, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    gone = settings._replace(mlflow_url=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(StoreUnavailable, match="Connection refused"):
        Registry(gone).versions()
