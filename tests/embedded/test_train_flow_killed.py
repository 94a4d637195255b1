"""The train flow, killed and resumed at each of its steps in turn, makes one decision.

Two tasks share its search: threads of one process, or processes as on a cluster.

In a separate file, because the tests of one file run one after the other.
"""

import re
from functools import partial

import pytest

from tasador.stores.lake import Lake
from tasador.stores.registry import Registry
from tests.kit.flows import Flow
from tests.kit.training import history, ready_to_train, trials_of

# The output of the flow that shows that a step is running.
OUTPUT = {
    "start": "/start/",
    "search": "trial 2 of 3",
    "fit": "rounds on",
    "judge": "",  # the decision is recorded
    "dossier": "leave states out",
    "end": "/end/",
}


SEARCHING = re.compile(r"/search/.*Task is starting")


@pytest.fixture
def settings(platform):
    with ready_to_train(platform) as own:
        yield own


def is_running(flow, settings, text):
    return any(text in line for line in flow.lines) if text else bool(history(settings))


@pytest.mark.parametrize("runtime", ["local", "kubernetes"])
def test_train_flow_killed_and_resumed_at_each_step(settings, tmp_path, checkout, runtime):
    run_id = tmp_path / "run-id"

    def follow(*arguments):
        arguments = (*arguments, "--run-id-file", str(run_id))
        return Flow("train", settings, tmp_path, checkout, *arguments, runtime=runtime)

    flow = follow("run", "--trials", "3", "--tasks", "2")
    for step, text in OUTPUT.items():
        # A query takes ten milliseconds itself; the card that follows the decision, seconds.
        pause = 0.01 if text else 0.1
        flow.wait_until(partial(is_running, flow, settings, text), pause=pause)
        flow.kill()
        if step == "search":
            processes, kind = (1, "threads") if runtime == "local" else (2, "processes")
            assert len([line for line in flow.lines if SEARCHING.search(line)]) == processes
            assert f"2 tasks share the search, as {kind}" in "".join(flow.lines)
        # A decision stands, whatever is killed after it.
        assert len(history(settings)) == (step in ("judge", "dossier", "end")), step
        flow = follow("resume", "--origin-run-id", run_id.read_text())
    code, output = flow.end()
    assert code == 0, output
    (decided,) = history(settings)
    assert decided.decision == "promoted"
    (version,) = Registry(settings).versions()
    assert (version.version, version.digest) == (decided.version, decided.digest)
    assert version.aliases == ("champion",)
    assert len(trials_of(settings, decided.training_id)) == 3
    assert Lake(settings).exists(f"{version.dossier_uri}/dossier.json")
