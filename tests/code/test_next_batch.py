"""The next batch, started in the background from the web app."""

import fcntl
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tasador.errors import ConfigurationError, TasadorError
from tasador.operations import next_batch
from tasador.operations.next_batch import can_start, is_ingesting, start_next_batch
from tasador.settings import Settings
from tests.kit.waiting import wait_for

URLS = dict.fromkeys(
    ("source_url", "database_url", "s3_endpoint", "mlflow_url", "broker_url"), "http://nowhere"
)
# Says whose training it would be, and runs until it may end.
SCRIPT = (
    "import os, pathlib, time, getpass\n"
    "print(getpass.getuser(), os.environ['SUDO_USER'], flush=True)\n"
    "while not pathlib.Path(os.environ['TASADOR_HOME'], 'end').exists(): time.sleep(0.02)\n"
)


def test_next_batch_is_started_once_and_in_the_name_of_who_started_it(tmp_path):
    settings = Settings(home=tmp_path, **URLS)
    assert can_start(settings)
    assert not is_ingesting(settings)
    command = [sys.executable, "-c", SCRIPT]
    log = start_next_batch(settings, "ana", command)
    try:
        wait_for(lambda: log.read_text() == "ana ana\n", 20)
        with pytest.raises(TasadorError, match="already"):
            start_next_batch(settings, "ben", command)
        assert is_ingesting(settings)
    finally:
        Path(tmp_path, "end").touch()
    wait_for(lambda: not is_ingesting(settings), 20)
    quick = [sys.executable, "-c", "print('again')"]

    def starts():
        try:
            return start_next_batch(settings, "ben", quick)
        except TasadorError:
            return None

    wait_for(starts, 20)
    wait_for(lambda: log.read_text() == "ana ana\nagain\n", 20)


def test_a_look_at_the_lock_keeps_no_batch_from_starting(tmp_path, monkeypatch):
    settings = Settings(home=tmp_path, **URLS)
    with (tmp_path / "next-batch.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        # Another process lets go of the lock in the last of the pauses, however long those take.
        looks = [lambda: None] * (len(next_batch._PAUSES) - 1)
        looks += [lambda: fcntl.flock(file, fcntl.LOCK_UN)]
        pauses = SimpleNamespace(sleep=lambda _: looks.pop(0)())
        monkeypatch.setattr(next_batch, "time", pauses)
        log = start_next_batch(settings, "ana", [sys.executable, "-c", "print('begun')"])
    wait_for(lambda: log.read_text() == "begun\n", 20)


def test_next_batch_needs_this_machine_and_a_source(tmp_path):
    cluster = Settings(home=tmp_path, platform="cluster", **URLS)
    assert not can_start(cluster)
    with pytest.raises(TasadorError, match="on a schedule"):
        start_next_batch(cluster, "ana")
    without = Settings(home=tmp_path, **{**URLS, "source_url": ""})
    assert not can_start(without)
    with pytest.raises(ConfigurationError, match="TASADOR_SOURCE_URL"):
        start_next_batch(without, "ana")
