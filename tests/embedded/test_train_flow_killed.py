"""The train flow killed at each of its steps: resumed, it takes one decision.

In a file of its own, since a file's tests are run one after the other.
"""

import pytest

from tasador.lake import Lake
from tasador.registry import Registry
from tests.flow_kit import Flow
from tests.train_kit import history, ready_to_train, trials_of


@pytest.fixture
def settings(platform):
    with ready_to_train(platform) as own:
        yield own


@pytest.mark.parametrize("step", ["start", "search", "fit", "judge", "dossier", "end"])
def test_killed_at_a_step_then_resumed(settings, tmp_path, checkout, step):
    run_id = tmp_path / "run-id"
    arguments = ("run", "--trials", "3", "--run-id-file", str(run_id))
    flow = Flow("train", settings, tmp_path, checkout, *arguments)
    said = {
        "start": "/start/",
        "search": "trial 2 of 3",
        "fit": "rounds on",
        "dossier": "leave states out",
        "end": "/end/",
    }
    flow.wait_until(
        lambda: (
            bool(history(settings))
            if step == "judge"
            else any(said[step] in line for line in flow.lines)
        )
    )
    flow.kill()
    resume = ("resume", "--origin-run-id", run_id.read_text())
    code, output = Flow("train", settings, tmp_path, checkout, *resume).end()
    assert code == 0, output
    (decided,) = history(settings)
    assert decided.decision == "promoted"
    (version,) = Registry(settings).versions()
    assert (version.version, version.digest) == (decided.version, decided.digest)
    assert version.aliases == ("champion",)
    assert len(trials_of(settings, decided.training_id)) == 3
    assert Lake(settings).exists(f"{version.dossier_uri}/dossier.json")
