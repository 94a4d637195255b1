"""How pytest-xdist shares the suite out among its processes, and what a run keeps for itself.

The tests of a file run in one process, because they share what they start. The slowest files come
first, so that all processes finish at about the same time.
"""

import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.kit import certificates
from tests.kit.checkout import RUN_FOLDER
from tests.kit.processor_time import (  # noqa: F401 (hooks)
    pytest_runtest_makereport,
    pytest_terminal_summary,
)

# How long an example takes depends on what else the machine does.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

# With it jsonschema checks IRIs, which no document here has. Importing it takes seconds.
sys.modules["rfc3987_syntax"] = None

# nohup and a shell's background jobs ignore these signals, and whatever a test starts would too.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Without bytecode files each of the tests' processes would compile all of its imports again.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
# The code sets it when it imports NannyML, which would otherwise try to send reports of its use.
# That may be in a test, after which the variable is taken back.
os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"
# There are more processes than cores: further threads of numpy, LightGBM and XGBoost would wait for
# each other, which takes processor time. Processes that tests start inherit this.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

certificates.share()

# Seconds to minutes each, the slowest first; the other files follow in alphabetical order.
SLOWEST_FIRST = (
    "tests/embedded/test_loop.py",
    "tests/browser/test_pages.py",
    "tests/browser/test_serving.py",
    "tests/browser/test_client.py",
    "tests/embedded/test_train_flow_killed.py",
    "tests/embedded/test_train_flow.py",
    "tests/embedded/test_drift_flow.py",
    "tests/embedded/test_ingest_flow.py",
    "tests/embedded/test_score_flow.py",
    "tests/model/test_drift_judge.py",
    "tests/embedded/test_monitoring_faults.py",
    "tests/embedded/test_fuzz.py",
    "tests/model/test_dev_listings.py",
    "tests/embedded/test_serving_failures.py",
    "tests/embedded/test_rollout.py",
    "tests/embedded/test_lost_champion.py",
    "tests/embedded/test_gateway.py",
    "tests/embedded/test_platform.py",
    "tests/embedded/test_monitoring_stack.py",
    "tests/model/test_training.py",
    "tests/model/test_gate_trained.py",
    "tests/code/test_benchmarks.py",
    "tests/model/test_degenerate.py",
    "tests/embedded/test_credentials.py",
    "tests/embedded/test_monitoring.py",
    "tests/model/test_dossier_folder.py",
    "tests/code/test_functions_serving.py",
    "tests/code/test_functions_host.py",
    "tests/code/test_images.py",
    "tests/embedded/test_fuzz_events.py",
    "tests/model/test_scoring.py",
    "tests/embedded/test_compiled_flows.py",
)
# Each may start a platform and train, which takes over a gigabyte.
MOST_WORKERS = 4
# One process runs them all: they share a platform, a web app and a browser, which start for half a
# minute.
TOGETHER = "tests/browser/"
# Every test of these starts all it needs, but for the platform: any process may run it.
INDEPENDENT = (
    "tests/embedded/test_drift_flow.py",
    "tests/embedded/test_ingest_flow.py",
)


def file_of(nodeid):
    return nodeid.partition("::")[0]


def unit_of(nodeid):
    """What one process runs as a whole: a file, a test of an independent one, or the browser's."""
    if nodeid.startswith(TOGETHER):
        return TOGETHER
    return nodeid if file_of(nodeid) in INDEPENDENT else file_of(nodeid)


def pytest_collection_modifyitems(items):
    rank = {name: number for number, name in enumerate(SLOWEST_FIRST)}
    items.sort(key=lambda item: rank.get(file_of(item.nodeid), len(rank)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """For ``-n auto``: two more than there are cores, because many tests wait for processes."""
    return min((os.cpu_count() or 1) + 2, MOST_WORKERS)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return unit_of(nodeid)

    config.option.loadscopereorder = False
    return ByFile(config, log)


@pytest.fixture(autouse=True)
def environment_restored():
    """Take back what a test, or the code that it calls, sets in this process's environment.

    A command may set a variable for the rest of its process; here other tests run after it.
    """
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update(before)


def pytest_configure(config):
    if not hasattr(config, "workerinput") and RUN_FOLDER not in os.environ:
        # Read by the processes of pytest-xdist; see tests/kit/models.py.
        os.environ[RUN_FOLDER] = tempfile.mkdtemp(prefix="tasador-tests-")
        config.add_cleanup(_remove_run_folder)


def _remove_run_folder():
    shutil.rmtree(Path(os.environ.pop(RUN_FOLDER)), ignore_errors=True)
