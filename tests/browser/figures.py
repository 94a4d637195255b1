"""``./taskw bench:web``: how fast the web app is, on a platform in a temporary home.

It prints how long the first page takes until it can be used, a slider until price and reasons have
changed, a version's page among 1,000 versions, and Predictions with 100,000 rows (--predictions N);
and what 200 visitors at once cost one process. The goals of each are in the table.
"""

import argparse
import itertools
import os
import statistics
import time
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import psutil
import psycopg2

from benchmarks.report import machine, table, write_section
from tasador.warehouse.warehouse import Warehouse
from tests.browser import chromium
from tests.browser.visitors import many
from tests.kit.checkout import RUN_FOLDER
from tests.kit.models import make_bundle
from tests.kit.platform import homes, running_platform
from tests.kit.records import make_batch, make_decision, make_drift_record, make_prediction
from tests.kit.web_app import Services, serving

HOME = "house_size=1800&bed=3&bath=2"
# Remembers when a condition was met, in milliseconds since the page began to load.
WATCH = """
(() => {{ const look = () => {{ const found = {condition};
  if (found) window.met ??= performance.now(); else setTimeout(look, 5); }}; look(); }})()
"""
FETCHED = """["navigation", "resource"].flatMap(kind => performance.getEntriesByType(kind))
.reduce((sum, entry) => sum + entry.transferSize, 0)"""
READY = "document.querySelector('#listing[data-loaded=true]')"
# Remembers when a condition was met, in milliseconds since 1970.
NEWS = """
(() => {{ window.seen = 0; const look = () => {{
  if ({shown}) window.seen = Date.now(); else setTimeout(look, 10); }}; look(); }})()
"""
# From the event of the slider until its value has come back, and the waterfall ends at the price.
# Not until the price is another one: a step of 50 square feet may leave it as it is.
SLIDER = """
(() => { window.delays = [];
const answered = () => document.querySelector('.slider-value').innerText;
document.addEventListener('input', () => {
  const began = performance.now(), before = answered();
  const look = () => {
    const price = document.querySelector('#price').innerText;
    const total = document.querySelector('td.number.total')?.innerText;
    if (answered() !== before && total === price) window.delays.push(performance.now() - began);
    else if (performance.now() - began < 5000) requestAnimationFrame(look);
  }; look();
}, true); return true; })()
"""


def first_page(tab, web, cached):
    """Seconds until the Estimate page hears what is typed, and what it fetched, in bytes."""
    # A separate context has neither files nor compiled scripts of another page.
    page = tab(apart=not cached)
    page.prepare(WATCH.format(condition=READY))
    page.open(f"{web}/")
    took = page.wait("window.met") / 1000
    fetched = page.js(FETCHED)
    page.close()
    return took, fetched


def slider(tab, web, moves):
    """Seconds until price and waterfall have followed a slider, for each move."""
    page = tab()
    page.open(f"{web}/?{HOME}")
    page.wait("document.querySelector('td.number.total')")
    page.js("document.querySelector('[data-slider=house_size]').focus()")
    page.js(SLIDER)
    for move in range(moves):
        # Up and down, so that the slider does not reach its end.
        known = page.js("window.delays.length")
        page.press("ArrowRight" if move // 10 % 2 == 0 else "ArrowLeft")
        page.wait(f"window.delays.length > {known}", 10)
        # The page holds an event back that follows another one within 80 ms.
        time.sleep(0.1)
    delays = page.js("window.delays")
    page.close()
    return [delay / 1000 for delay in delays[3:]]


def versions(tab, web, count):
    """Seconds until an open page shows another version, and until a version's page is open."""
    page = tab()
    page.open(f"{web}/models")
    page.wait("document.querySelectorAll('tbody button.linked').length > 50")
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
        changed.append(page.wait("window.met") / 1000)
    for number in range(1, count, count // 9):
        fresh = tab()
        condition = f"document.querySelector('#version h2')?.innerText === 'Version {number}'"
        fresh.prepare(WATCH.format(condition=condition))
        fresh.open(f"{web}/models?version={number}")
        opened.append(fresh.wait("window.met") / 1000)
        fresh.close()
    page.close()
    return changed, opened


def news(tab, web, settings, times):
    """Seconds from an event in the warehouse until the open page shows it, by event."""
    took = {}
    with Warehouse(settings.database_url) as warehouse:
        page = tab()
        page.open(f"{web}/models")
        page.wait("document.querySelectorAll('tbody button.linked').length > 50")
        numbers = itertools.count(2_000_001)
        for kind in ("promoted", "rejected", "rolled_back"):
            for number in itertools.islice(numbers, times):
                told = replace(decision(number, datetime.now(UTC)), decision=kind)
                text = kind.replace("_", " ")
                took.setdefault(kind, []).append(
                    _shown(
                        page,
                        f"(t => t.includes('Version {number}') && t.includes('{text}'))"
                        "(document.querySelector('tbody tr').innerText)",
                        lambda told=told: warehouse.record_decision(told),
                    )
                )
        page.open(f"{web}/market")
        for kind, text in {"drift": "drift", "broken_feed": "broken feed"}.items():
            for number in itertools.islice(numbers, times):
                names = {"batch_id": uuid4().hex, "correlation_id": uuid4().hex}
                warehouse.save_batch(
                    make_batch(**names, batch_number=number, fetched_at=datetime.now(UTC))
                )
                page.wait(f"document.querySelector('#batch h2')?.innerText === 'Batch {number}'")
                verdict = make_drift_record(**names, verdict=kind, decided_at=datetime.now(UTC))
                took.setdefault(kind, []).append(
                    _shown(
                        page,
                        f"document.querySelector('#batch .badge').innerText === '{text}'",
                        lambda verdict=verdict: warehouse.record_drift(verdict),
                    )
                )
        page.close()
    return took


def _shown(page, condition, happen):
    """Seconds from an event until the condition holds on the open page."""
    page.js(NEWS.format(shown=condition))
    happen()
    at = time.time()
    return page.wait("window.seen") / 1000 - at


def predictions(tab, web):
    """Seconds until Predictions shows its rows, its figures, and the next page."""
    page = tab()
    rows = "document.querySelectorAll('[data-prediction]').length === 25"
    page.prepare(WATCH.format(condition=rows))
    page.open(f"{web}/predictions")
    listed = page.wait("window.met", 60) / 1000
    page.wait("[...document.querySelectorAll('dt')].some(e => e.textContent === 'First')", 120)
    figures = page.js("performance.now()") / 1000
    first = page.js("document.querySelector('[data-prediction]').dataset.prediction")
    began = time.perf_counter()
    page.click(".turn:nth-child(2)")
    page.wait(f"document.querySelector('[data-prediction]').dataset.prediction !== '{first}'")
    turned = time.perf_counter() - began
    page.close()
    return listed, figures, turned


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
    cold, fetched = zip(*[first_page(tab, web, cached=False) for _ in range(5)], strict=True)
    first_page(tab, web, cached=True)
    warm, _ = zip(*[first_page(tab, web, cached=True) for _ in range(5)], strict=True)
    slid = slider(tab, web, 63)
    changed, opened = versions(tab, web, options.versions)
    told = news(tab, web, settings, 5)
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
        ["what it fetches, compressed", f"{max(fetched) / 1000:,.0f} kB", ""],
        ["first page usable, cached (median)", milliseconds(statistics.median(warm)), "2 s"],
        ["slider to new price and waterfall, p50", milliseconds(statistics.median(slid)), ""],
        ["slider to new price and waterfall, p95", milliseconds(p95(slid)), "150 ms"],
        [
            f"another version of {options.versions:,}, on the open page, p95",
            milliseconds(p95(changed)),
            "300 ms",
        ],
        [
            f"a version's page, opened afresh (median and worst of {len(opened)})",
            f"{milliseconds(statistics.median(opened))}, {milliseconds(max(opened))}",
            "300 ms",
        ],
        *[
            [
                f"{kind.replace('_', ' ')}, until the open page says so (worst of {len(times)})",
                milliseconds(max(times)),
                "1 s",
            ]
            for kind, times in told.items()
        ],
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
    with ExitStack() as stack:
        home = stack.enter_context(homes())()
        settings = stack.enter_context(running_platform(home))
        os.environ[RUN_FOLDER] = str(home)
        folder = home / "bundle"
        services = Services(settings, {3: (make_bundle(folder, version=3, rows=2000), folder)})
        services.serve(3)
        fill(settings, options.versions, options.predictions)
        web_folder = home / "web"
        web_folder.mkdir()
        web, process = stack.enter_context(serving(web_folder, settings.functions_url))
        tab = stack.enter_context(chromium.browser())
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


if __name__ == "__main__":
    main()
