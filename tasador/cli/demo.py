"""``tasador demo``: run the whole loop, from an empty platform to a traced prediction."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from tasador.cli.console import console, heading, say
from tasador.cli.narration import Narrator
from tasador.cli.output import dollars
from tasador.cli.platform import print_addresses
from tasador.cli.tables import lineage_tree
from tasador.clock import wait_until
from tasador.errors import ConfigurationError, ServiceUnavailable, TasadorError
from tasador.local.platform import Platform
from tasador.machine.environment import for_child
from tasador.operations.lineage import trace
from tasador.operations.pipeline import FlowRun, follow
from tasador.settings import CHECKOUT, Settings
from tasador.warehouse.warehouse import Warehouse

# An empty file in the home folder: its platform belongs to the demo, which may delete it.
MARKER = "demo"
# The house that is priced again with each new model.
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
_BATCHES = 6
_TIMEOUT = 120.0  # seconds
_PAUSE = 0.2  # seconds between two checks
_PAUSE_WHILE_UP = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """The demo on a market simulated from ``seed``, or on the listings of ``csv``."""

    csv: Path | None
    order: str
    seed: int
    trials: int

    def play(self, *, stay: bool) -> None:
        """Run the demo; ``stay`` keeps the platform up until Ctrl-C."""
        home = Settings.load().home
        platform = Platform(home)
        _prepare_home(platform, home)
        began = time.monotonic()
        try:
            with console.status("starting the platform"):
                platform.up(web=False, progress=_print_dim)
            # The first build of the web app runs while the loop does.
            with ThreadPoolExecutor(1) as background, self._source(home) as source_url:
                if stay:
                    web = background.submit(platform.up, web=True, progress=_print_dim)
                settings = Settings.load()._replace(source_url=source_url)
                os.environ["TASADOR_SOURCE_URL"] = source_url
                prediction_id = self._run_loop(settings)
                if prediction_id:
                    _show_lineage(settings, prediction_id)
                console.print(f"done in {time.monotonic() - began:.0f} s", highlight=False)
                if stay:
                    print_addresses(web.result())
                    say(console, _next_steps(home, settings, prediction_id))
                    say(console, "\nThe platform keeps running; press Ctrl-C to stop it.")
                    # With its source, which a person may ask for the next batch.
                    _wait_for_the_end(platform)
        finally:
            with console.status("stopping the platform"):
                platform.down()
            say(console, _afterwards(home))

    def _run_loop(self, settings: Settings) -> str:
        """Ingest each batch and predict after each promotion; returns the last prediction's id."""
        narrator = Narrator(console)
        prediction_id = ""
        for number in range(_BATCHES + 1):
            heading(console, f"batch {number}" if number < _BATCHES else "after the last batch")
            for run in follow(
                settings,
                train_parameters={"trials": str(self.trials)},
                on_start=narrator.started,
            ):
                narrator.finished(run)
                if run.flow == "train" and run.artifacts["decision"] == "promoted":
                    _await_serving(settings, run)
                    prediction_id = _predict_and_explain(settings)
                elif run.flow == "train" and not prediction_id:
                    say(console, "        no model serves yet: it must pass these checks first")
                if run.artifacts.get("status") == "exhausted":
                    return prediction_id
        return prediction_id

    @contextmanager
    def _source(self, home: Path) -> Iterator[str]:
        """A batch source in a separate process, as a user would start it; yields its URL."""
        command = [sys.executable, "-m", "tasador", "source", "serve", "--port", "0"]
        if self.csv is not None:
            command += ["--csv", str(self.csv.resolve()), "--order", self.order]
        else:
            command += ["--simulate", str(self.seed), "--scenario", "demo"]
        log = home / "log" / "source.log"
        with (
            log.open("w") as log_file,
            subprocess.Popen(
                command,
                cwd=CHECKOUT,
                env=for_child(home, os.environ),
                stdout=subprocess.PIPE,
                stderr=log_file,
                text=True,
            ) as process,
        ):
            assert process.stdout is not None
            try:
                with console.status("preparing six batches"):
                    line = process.stdout.readline()
                if "http" not in line:
                    process.wait(timeout=10)
                    raise TasadorError(log.read_text().strip())
                yield line.split()[-1]
            finally:
                process.terminate()


def _wait_for_the_end(platform: Platform) -> None:
    """Return on Ctrl-C, and when ``tasador down`` has stopped the platform."""
    with suppress(KeyboardInterrupt):
        while any(part.running for part in platform.status()):
            time.sleep(_PAUSE_WHILE_UP)


def _next_steps(home: Path, settings: Settings, prediction_id: str) -> str:
    """What somebody who has seen the demo can try, as commands to copy."""
    within = f"{prefix(home)}.venv/bin"
    steps = [
        "\nTry, in another terminal:",
        f"  curl -s {settings.functions_url}/predict -H 'content-type: application/json' \\",
        '       -d \'{"state": "Texas", "zip_code": "77084", "bed": 3, "house_size": 1800}\'',
        f"  {within}/tasador models",
        f"  {within}/python flows/train.py card view judge",
    ]
    if prediction_id:
        steps.append(f"  {within}/tasador lineage {prediction_id}")
    return "\n".join(steps)


def _afterwards(home: Path) -> str:
    return (
        f"The platform is stopped; its data is in {home}.\n"
        f"Start it again with: {prefix(home)}.venv/bin/tasador up"
    )


def prefix(home: Path) -> str:
    """What must stand before a command that is to find this home; empty for the default one."""
    return "" if home == CHECKOUT / ".tasador" else f"TASADOR_HOME={shlex.quote(str(home))} "


def _print_dim(text: str) -> None:
    say(console, text, "dim")


def _prepare_home(platform: Platform, home: Path) -> None:
    """Delete an earlier demo's platform; refuse if the home folder holds another one."""
    if not home.exists() or not any(home.iterdir()):
        home.mkdir(parents=True, exist_ok=True)
    elif not (home / MARKER).exists():
        raise ConfigurationError(
            f"{home} holds a platform that is not the demo's; the demo needs an empty one. "
            "Choose another folder: TASADOR_HOME=.tasador-demo ./taskw demo"
        )
    else:
        platform.down()
        shutil.rmtree(home)
        home.mkdir(parents=True)
    (home / MARKER).touch()


def _await_serving(settings: Settings, run: FlowRun) -> None:
    """Wait until predict serves the promoted version, which reload rolls out on the event."""
    version = run.artifacts["version"]
    began = time.monotonic()

    def is_serving() -> bool:
        try:
            # Proxies are for addresses outside.
            response = httpx.get(f"{settings.functions_url}/model", timeout=30, trust_env=False)
        except httpx.TransportError as error:
            raise ServiceUnavailable(f"the gateway does not answer: {error}") from error
        return response.status_code == httpx.codes.OK and response.json()["version"] == version

    with console.status(f"reload is rolling out version {version}"):
        if not wait_until(is_serving, _TIMEOUT, _PAUSE):
            raise TasadorError(f"version {version} was promoted but is not served")
    console.print(
        f"[bold]reload [/] version {version} serves, {time.monotonic() - began:.1f} s after its "
        "promotion",
        highlight=False,
    )


def _predict_and_explain(settings: Settings) -> str:
    """Print the price of HOUSE and its explanation; returns the prediction's id."""
    with httpx.Client(base_url=settings.functions_url, timeout=60, trust_env=False) as client:
        prediction = _post(client, "/predict", HOUSE)
        explanation = _post(client, "/explain", HOUSE)
    low, high = (prediction["intervals"]["90"][end] for end in ("low", "high"))
    model = prediction["model"]
    # The probability holds for homes like those that the model knows.
    level = "" if prediction.get("warnings") else "90 %: "
    console.print(
        f"[bold]predict[/] {dollars(prediction['price'])} "
        f"({level}{dollars(low)} to {dollars(high)}) "
        f"by {model['name']}@{model['version']}, revision {prediction['revision']}",
        highlight=False,
        soft_wrap=True,
    )
    for warning in prediction.get("warnings", ()):
        say(console, f"        · {warning}")
    console.print(f"[bold]explain[/] {explanation['sentence']}", highlight=False)
    return str(prediction["prediction_id"])


def _post(client: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    response = client.post(path, json=body)
    if response.status_code != httpx.codes.OK:
        raise TasadorError(f"POST {path} answered {response.status_code}: {response.text[:500]}")
    answer: dict[str, Any] = response.json()
    return answer


def _show_lineage(settings: Settings, prediction_id: str) -> None:
    """Print what `tasador lineage` prints, once record has stored the prediction."""
    heading(console, f"tasador lineage {prediction_id}")
    with Warehouse(settings.database_url) as warehouse:
        # record may be starting from zero while the event is on its way.
        if not wait_until(
            lambda: warehouse.prediction(prediction_id) is not None, _TIMEOUT, _PAUSE
        ):
            raise TasadorError(f"prediction {prediction_id} was not recorded")
        console.print(lineage_tree(trace(prediction_id, warehouse)))
