"""``tasador demo``: the loop played from an empty platform to a traced prediction."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
from rich.rule import Rule

from tasador.cli.console import console, dollars
from tasador.cli.models import lineage_tree
from tasador.cli.narration import Narrator
from tasador.cli.platform import print_addresses
from tasador.errors import ConfigurationError, ServiceUnavailable, TasadorError
from tasador.local.platform import Platform
from tasador.operations.lineage import trace
from tasador.operations.pipeline import CHECKOUT, FlowRun, follow
from tasador.settings import Settings
from tasador.warehouse.warehouse import Warehouse

MARKER = "demo"
# A house that is asked for again after each reload, to see the price move with the model.
HOUSE = {
    "bed": 3,
    "bath": 2,
    "house_size": 1800,
    "acre_lot": 0.2,
    "city": "Houston",
    "state": "Texas",
    "zip_code": "77084",
    "status": "for_sale",
}
_PATIENCE_SECONDS = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """What to play: a simulated market from a seed, or real listings from a CSV."""

    csv: Path | None
    order: str
    seed: int
    trials: int

    def play(self, *, stay: bool) -> None:
        """Play it; ``stay`` keeps the platform up until Ctrl-C."""
        home = Settings.load().home
        platform = Platform(home)
        _begin_empty(platform, home)
        began = time.monotonic()
        try:
            with console.status("starting the platform"):
                platform.up(web=False, progress=_dim)
            # The web app's first build goes on beside the loop.
            with ThreadPoolExecutor(1) as beside, self._source(home) as source_url:
                if stay:
                    people = beside.submit(platform.up, web=True, progress=_dim)
                settings = replace(Settings.load(), source_url=source_url)
                os.environ["TASADOR_SOURCE_URL"] = source_url
                last = self._loop(settings)
                self._show_lineage(settings, last)
                console.print(f"done in {time.monotonic() - began:.0f} s", highlight=False)
                print_addresses(people.result() if stay else settings)
            if stay:
                console.print("the platform stays up; Ctrl-C stops it")
                signal.pause()
        except KeyboardInterrupt:
            pass
        finally:
            with console.status("stopping the platform"):
                platform.down()

    def _loop(self, settings: Settings) -> str:
        """Six batches and the predictions in between; returns the last prediction's id."""
        narrator = Narrator(console)
        last = ""
        for number in range(7):
            console.print(Rule(f"batch {number}" if number < 6 else "and once more"))
            for run in follow(
                settings,
                train_parameters={"trials": str(self.trials)},
                on_start=narrator.started,
            ):
                narrator.finished(run)
                if run.flow == "train" and run.artifacts["decision"] == "promoted":
                    _await_serving(settings, run)
                    last = _predict_and_explain(settings)
                if run.artifacts.get("status") == "exhausted":
                    return last
        return last

    @contextmanager
    def _source(self, home: Path) -> Iterator[str]:
        """A batch source as a process of its own, as a user would start it."""
        command = [sys.executable, "-m", "tasador", "source", "serve", "--port", "0"]
        if self.csv is not None:
            command += ["--csv", str(self.csv.resolve()), "--order", self.order]
        else:
            command += ["--simulate", str(self.seed), "--scenario", "demo"]
        with (
            (home / "log" / "source.log").open("w") as log,
            subprocess.Popen(
                command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=log, text=True
            ) as process,
        ):
            assert process.stdout is not None
            try:
                with console.status("preparing six batches"):
                    line = process.stdout.readline()
                if "http" not in line:
                    process.wait(timeout=10)
                    raise TasadorError((home / "log" / "source.log").read_text().strip())
                yield line.split()[-1]
            finally:
                process.terminate()

    def _show_lineage(self, settings: Settings, prediction_id: str) -> None:
        console.print(Rule(f"tasador lineage {prediction_id}"))
        with Warehouse(settings.database_url) as warehouse:
            deadline = time.monotonic() + _PATIENCE_SECONDS
            # record may be starting from zero; the event is on its way.
            while warehouse.prediction(prediction_id) is None:
                if time.monotonic() > deadline:
                    raise TasadorError(f"prediction {prediction_id} was not recorded")
                time.sleep(0.2)
            console.print(lineage_tree(trace(prediction_id, warehouse)))


def _dim(text: str) -> None:
    console.print(text, style="dim", highlight=False)


def _begin_empty(platform: Platform, home: Path) -> None:
    """Forget an earlier demo; leave a platform that somebody uses alone."""
    if not home.exists() or not any(home.iterdir()):
        home.mkdir(parents=True, exist_ok=True)
    elif not (home / MARKER).exists():
        raise ConfigurationError(
            f"{home} holds a platform with data of your own; the demo begins with an empty one. "
            "Run it elsewhere: TASADOR_HOME=.tasador-demo ./taskw demo"
        )
    else:
        platform.down()
        shutil.rmtree(home)
        home.mkdir(parents=True)
    (home / MARKER).touch()


def _await_serving(settings: Settings, run: FlowRun) -> None:
    """Wait until predict answers with the promoted version: reload is an event away."""
    version = run.artifacts["version"]
    deadline = time.monotonic() + _PATIENCE_SECONDS
    with console.status(f"reload brings version {version} into service"):
        began = time.monotonic()
        while True:
            try:
                answer = httpx.get(f"{settings.functions_url}/model", timeout=30)
                if answer.status_code == httpx.codes.OK and answer.json()["version"] == version:
                    break
            except httpx.TransportError as error:
                raise ServiceUnavailable(f"the gateway does not answer: {error}") from error
            if time.monotonic() > deadline:
                raise TasadorError(f"version {version} was promoted but is not served")
            time.sleep(0.2)
    console.print(
        f"[bold]reload [/] version {version} serves, {time.monotonic() - began:.1f} s after its "
        "promotion",
        highlight=False,
    )


def _predict_and_explain(settings: Settings) -> str:
    with httpx.Client(base_url=settings.functions_url, timeout=60) as client:
        priced = _posted(client, "/predict", HOUSE)
        explained = _posted(client, "/explain", HOUSE)
    low, high = (priced["intervals"]["90"][end] for end in ("low", "high"))
    console.print(
        f"[bold]predict[/] {dollars(priced['price'])} (90 %: {dollars(low)} to {dollars(high)}) "
        f"by {priced['model']['name']}@{priced['model']['version']}, revision {priced['revision']}",
        highlight=False,
    )
    console.print(f"[bold]explain[/] {explained['sentence']}", highlight=False)
    return str(priced["prediction_id"])


def _posted(client: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = client.post(path, json=body)
    if answer.status_code != httpx.codes.OK:
        raise TasadorError(f"POST {path} answered {answer.status_code}: {answer.text[:500]}")
    found: dict[str, Any] = answer.json()
    return found
