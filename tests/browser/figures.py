"""``./taskw bench:web``: how fast the web app is, on a platform in a temporary home.

It prints how long the first page takes until it can be used, a slider until price and reasons have
changed, a version's page among 1,000 versions, and Predictions with 100,000 rows (--predictions N);
and what 200 visitors at once cost one process. The goals of each are in the table.
"""

import argparse
import json
import os
import statistics
import tempfile
import threading
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import httpx
import psutil
import psycopg2
import websocket

from benchmarks.report import machine, table, write_section
from tasador.local.platform import Platform
from tasador.warehouse.warehouse import Warehouse
from tests.browser import chromium
from tests.browser.conftest import Services, serving
from tests.kit.checkout import RUN_FOLDER
from tests.kit.models import make_bundle
from tests.kit.records import make_decision, make_prediction

HOME = "house_size=1800&bed=3&bath=2"
STATES = "reflex___state____state.tasador_web___pages___"
# Remembers when a condition was met, in milliseconds since the page began to load.
WATCH = """
(() => {{ const look = () => {{ const found = {condition};
  if (found) window.met ??= performance.now(); else setTimeout(look, 5); }}; look(); }})()
"""
READY = "document.querySelector('#listing[data-loaded=true]')"
# Remembers when a condition was met, in milliseconds since 1970.
NEWS = """
(() => {{ window.seen = 0; const look = () => {{
  if ({shown}) window.seen = Date.now(); else setTimeout(look, 10); }}; look(); }})()
"""
# From the event of the slider until the price is another one and the waterfall ends at it.
SLIDER = """
(() => { window.delays = [];
document.addEventListener('input', () => {
  const began = performance.now(), before = document.querySelector('#price').innerText;
  const look = () => {
    const price = document.querySelector('#price').innerText;
    const total = document.querySelector('td.number.total')?.innerText;
    if (price !== before && total === price) window.delays.push(performance.now() - began);
    else if (performance.now() - began < 5000) requestAnimationFrame(look);
  }; look();
}, true); return true; })()
"""


def first_page(tab, web, cached):
    """Seconds until the Estimate page hears what is typed."""
    page = tab()
    if not cached:
        page.call("Network.clearBrowserCache")
    page.call("Page.addScriptToEvaluateOnNewDocument", source=WATCH.format(condition=READY))
    page.open(f"{web}/")
    page.wait("window.met")
    took = page.js("window.met") / 1000
    page.close()
    return took


def slider(tab, web, moves):
    """Seconds until price and waterfall have followed a slider, for each move."""
    page = tab()
    page.open(f"{web}/?{HOME}")
    page.wait("document.querySelector('td.number.total')")
    page.js("document.querySelector('[data-slider=house_size]').focus()")
    page.js(SLIDER)
    for move in range(moves):
        # Up and down, so that the price changes each time.
        known = page.js("window.delays.length")
        page.press("ArrowRight", 39) if move // 10 % 2 == 0 else page.press("ArrowLeft", 37)
        page.wait(f"window.delays.length > {known}", 10)
    delays = page.js("window.delays")
    page.close()
    return [delay / 1000 for delay in delays[3:]]


def versions(tab, web, count):
    """Seconds until an open page shows another version, and until a version's page is open."""
    page = tab()
    page.open(f"{web}/models")
    page.wait("document.querySelectorAll('tbody button.linked').length > 100")
    changed, opened = [], []
    for number in range(count - 3, count - 33, -1):
        title = f"document.querySelector('#version h2')?.innerText === 'Version {number}'"
        page.js("delete window.met; true")
        page.js(
            f"(() => {{ const began = performance.now(); const look = () => {{ if ({title}) "
            "window.met = performance.now() - began; else setTimeout(look, 2); };"
            "[...document.querySelectorAll('tbody button.linked')].find("
            f"b => b.innerText === 'Version {number}').click(); look(); }})()"
        )
        page.wait("window.met")
        changed.append(page.js("window.met") / 1000)
    for number in (1, count // 2, count):
        fresh = tab()
        condition = f"document.querySelector('#version h2')?.innerText === 'Version {number}'"
        fresh.call(
            "Page.addScriptToEvaluateOnNewDocument", source=WATCH.format(condition=condition)
        )
        fresh.open(f"{web}/models?version={number}")
        fresh.wait("window.met")
        opened.append(fresh.js("window.met") / 1000)
        fresh.close()
    page.close()
    return changed, opened


def news(tab, web, settings, times):
    """Seconds from a rejection in the warehouse until the open page Models shows it."""
    page = tab()
    page.open(f"{web}/models")
    page.wait("document.querySelectorAll('tbody button.linked').length > 100")
    took = []
    with Warehouse(settings.database_url) as warehouse:
        for number in range(2_000_001, 2_000_001 + times):
            shown = f"document.querySelector('tbody').innerText.includes('Version {number}')"
            page.js(NEWS.format(shown=shown))
            warehouse.record_decision(decision(number, datetime.now(UTC)))
            at = time.time()
            took.append(page.wait("window.seen") / 1000 - at)
    page.close()
    return took


def predictions(tab, web):
    """Seconds until Predictions shows its rows, its figures, and the next page."""
    page = tab()
    page.open("about:blank")
    rows = "document.querySelectorAll('[data-prediction]').length === 25"
    page.call("Page.addScriptToEvaluateOnNewDocument", source=WATCH.format(condition=rows))
    page.open(f"{web}/predictions")
    page.wait("window.met", 60)
    listed = page.js("window.met") / 1000
    page.wait("[...document.querySelectorAll('dt')].some(e => e.textContent === 'First')", 120)
    figures = page.js("performance.now()") / 1000
    first = page.js("document.querySelector('[data-prediction]').dataset.prediction")
    began = time.perf_counter()
    page.click(".turn:nth-child(2)")
    page.wait(f"document.querySelector('[data-prediction]').dataset.prediction !== '{first}'")
    turned = time.perf_counter() - began
    page.close()
    return listed, figures, turned


class Visitor(threading.Thread):
    """One session as a page holds it: it opens a page, and then asks twice a second."""

    def __init__(self, web, number, until):
        super().__init__(daemon=True)
        self._web, self._number, self._until = web, number, until
        self.answers, self.problem = [], ""

    def run(self):
        try:
            self._visit()
        except (websocket.WebSocketException, OSError, ValueError) as error:
            self.problem = f"{type(error).__name__}: {error}"

    def _visit(self):
        url = self._web.replace("http", "ws", 1)
        socket = websocket.create_connection(
            f"{url}/_event/?token={uuid4()}&EIO=4&transport=websocket",
            origin=self._web,
            timeout=30,
        )
        socket.send("40/_event,")
        prices = self._number % 4 == 0
        name = "estimate_state____estimate_state" if prices else "models_state____models_state"
        path = "/" if prices else "/models"
        self._send(socket, f"{name}.load", path)
        self._answer(socket)
        while time.monotonic() < self._until:
            began = time.monotonic()
            if prices:
                size = str(1500 + (self._number + len(self.answers)) % 900)
                self._send(socket, f"{name}.estimate", path, form={"house_size": size, "bed": "3"})
                self._answer(socket, "price")
                self.answers.append(time.monotonic() - began)
            else:
                self._send(socket, f"{name}.tick", path)
                self._answer(socket)
                self.answers.append(time.monotonic() - began)
            time.sleep(max((5.0 if prices else 0.5) - (time.monotonic() - began), 0.0))
        socket.close()

    def _send(self, socket, handler, path, **payload):
        route = {"pathname": path, "asPath": path, "query": {}}
        event = {"name": f"{STATES}{handler}", "payload": payload, "router_data": route}
        socket.send(f"42/_event,{json.dumps(['event', event])}")

    def _answer(self, socket, text=""):
        """Wait for the end of the event's updates, and for a text among them."""
        found = not text
        while True:
            message = socket.recv()
            if message == "2":
                socket.send("3")
            found = found or text in message
            if found and '"final":true' in message.replace(" ", ""):
                return


def many(web, process, count, seconds):
    """(delays, problems, MB before, MB at most) of so many visitors at once."""
    family = [process, *process.children(recursive=True)]

    def memory():
        return sum(p.memory_full_info().uss for p in family) / 1e6

    before, most = memory(), 0.0
    until = time.monotonic() + seconds
    visitors = [Visitor(web, number, until) for number in range(count)]
    for visitor in visitors:
        visitor.start()
        time.sleep(0.01)
    while any(v.is_alive() for v in visitors):
        most = max(most, memory())
        time.sleep(1)
    problems = [v.problem for v in visitors if v.problem]
    problems += ["no answer" for v in visitors if not v.answers and not v.problem]
    return [a for v in visitors for a in v.answers], problems, before, most


def decision(number, at):
    """A decision on a version: one in three is promoted."""
    return make_decision(
        version=number,
        digest=uuid4().hex,
        decision="promoted" if number % 3 == 0 else "rejected",
        training_id=uuid4().hex,
        champion_version=0,
        champion_digest="",
        metrics={"r2": 0.7 + number % 7 / 100, "median_error": 0.15},
        decided_at=at,
    )


def fill(settings, versions_count, predictions_count):
    """Put decisions and predictions into the warehouse."""
    now = datetime.now(UTC)
    with Warehouse(settings.database_url) as warehouse:
        for number in range(1, versions_count + 1):
            at = now - timedelta(hours=versions_count - number)
            warehouse.record_decision(decision(number, at))
        template = make_prediction(predicted_at=now)
        warehouse.log_predictions([template])
    names = (
        "correlation_id, model_name, model_version, model_digest, revision, listing, price, "
        "intervals, missing, warnings, latency_ms, confidence, prices"
    )
    with psycopg2.connect(settings.database_url) as connection, connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO raw.inference_logs (prediction_id, predicted_at, {names}) "
            "SELECT md5(n::text), predicted_at - n * interval '1 second', "
            f"{names} FROM raw.inference_logs, generate_series(1, %s) n WHERE prediction_id = %s",
            (predictions_count, template.prediction_id),
        )
        connection.commit()
        connection.autocommit = True
        cursor.execute("ANALYZE raw.inference_logs")


def p95(values):
    return statistics.quantiles(values, n=20)[-1]


def milliseconds(seconds):
    return f"{1000 * seconds:,.0f} ms"


def measured(web, process, tab, settings, options):
    """The rows of the table: what, measured, goal."""
    cold = [first_page(tab, web, cached=False) for _ in range(5)]
    warm = [first_page(tab, web, cached=True) for _ in range(5)]
    slid = slider(tab, web, 63)
    changed, opened = versions(tab, web, options.versions)
    told = news(tab, web, settings, 12)
    listed, figures, turned = predictions(tab, web)
    delays, problems, before, most = many(web, process, options.visitors, options.seconds)
    for problem in sorted(set(problems)):
        print(f"a visitor's problem: {problem}")
    rows = f"{options.predictions:,}"
    return [
        [
            "first page usable, nothing cached (median)",
            milliseconds(statistics.median(cold)),
            "2 s",
        ],
        ["first page usable, cached (median)", milliseconds(statistics.median(warm)), "2 s"],
        ["slider to new price and waterfall, p50", milliseconds(statistics.median(slid)), ""],
        ["slider to new price and waterfall, p95", milliseconds(p95(slid)), "150 ms"],
        [
            f"another version of {options.versions:,}, on the open page, p95",
            milliseconds(p95(changed)),
            "300 ms",
        ],
        ["a version's page, loaded (worst of 3)", milliseconds(max(opened)), ""],
        ["a decision until the open page shows it (worst of 12)", milliseconds(max(told)), "1 s"],
        [f"{rows} predictions: the list", milliseconds(listed), "2 s"],
        [f"{rows} predictions: figures and charts", milliseconds(figures), ""],
        [f"{rows} predictions: the next page", milliseconds(turned), ""],
        [
            f"{options.visitors} visitors for {options.seconds} s: answers, problems",
            f"{len(delays):,}, {len(problems)}",
            "0 problems",
        ],
        ["their answers, p95", milliseconds(p95(delays)), ""],
        [
            "memory of the process, before and at most",
            f"{before:,.0f} MB, {most:,.0f} MB",
            "",
        ],
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--predictions", type=int, default=100_000)
    parser.add_argument("--versions", type=int, default=1_000)
    parser.add_argument("--visitors", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=30, help="of the visitors")
    parser.add_argument("--write", action="store_true", help="into docs/benchmarks.md")
    options = parser.parse_args()
    if chromium.find() is None:
        raise SystemExit("no Chromium found: apt install chromium, or set CHROMIUM")
    home = Path(tempfile.mkdtemp(prefix="tasador-figures-"))
    platform = Platform(home)
    with ExitStack() as stack:
        stack.callback(platform.down)
        settings = platform.up(web=False)
        os.environ[RUN_FOLDER] = str(home)
        folder = home / "bundle"
        services = Services(settings, {3: (make_bundle(folder, version=3, rows=2000), folder)})
        services.serve(3)
        fill(settings, options.versions, options.predictions)
        web_folder = home / "web"
        web_folder.mkdir()
        environment = {"TASADOR_HOME": str(home)}
        web, process = stack.enter_context(
            serving(web_folder, settings.functions_url, **environment)
        )
        tab = stack.enter_context(chromium.browser(stack.enter_context(profile())))
        httpx.post(f"{settings.functions_url}/predict", json={}, trust_env=False, timeout=60)
        httpx.post(f"{settings.functions_url}/explain", json={}, trust_env=False, timeout=60)
        rows = measured(web, psutil.Process(process.pid), tab, settings, options)
    text = (
        f"`./taskw bench:web` on {machine()}. Chromium, the web app and all functions share the "
        f"machine.\n\n{table(['', 'measured', 'goal'], rows)}"
    )
    print(text)
    if options.write:
        write_section("web", text)


def profile():
    return tempfile.TemporaryDirectory(prefix="tasador-figures-profile-")


if __name__ == "__main__":
    main()
