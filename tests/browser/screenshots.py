"""``./taskw screenshots``: play a small demo and renew docs/images.

It runs ``tasador demo`` in a temporary home, photographs the web app (light and dark), a card,
MLflow and the terminal in a headless Chromium, and renders the README's diagram. ``--attach HOME
LOG`` uses a demo that is already up instead, and the log of its output.
"""

import argparse
import csv
import io
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from secrets import token_urlsafe

from PIL import Image
from rich.console import Console
from rich.text import Text

from tasador.accounts.verbs import add_account
from tasador.settings import Settings
from tasador.source.simulator import generate
from tasador.warehouse.warehouse import Warehouse
from tests.browser import chromium
from tests.kit.checkout import ROOT

IMAGES = ROOT / "docs" / "images"
MERMAID = "mermaid@11.12.0"
COLUMNS = 100
# The first training and an uneventful batch.
TERMINAL_LINES = 14
# What a page shows once it is ready.
HISTORIES = {
    "market": ".chart",
    "models": ".chart",
    "pipeline": "#turn",
    "predictions": "[data-prediction]",
    "service": "dt",
}
DESK, PHONE = (1400, 1000), (390, 844)


@contextmanager
def demo():
    """Play the demo; yields its home and the log of its output while the platform is up."""
    with tempfile.TemporaryDirectory(prefix="tasador-pictures-") as home:
        log = Path(home + ".log")
        environment = {
            **os.environ,
            "TASADOR_HOME": home,
            "COLUMNS": str(COLUMNS),
            "FORCE_COLOR": "1",
            "TTY_INTERACTIVE": "0",  # colours, but no spinners
        }
        with log.open("w") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "tasador", "demo", "--trials", "2"],
                cwd=ROOT,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # ends together with its batch source
            )
        try:
            while "The platform keeps running" not in log.read_text():
                if process.poll() is not None:
                    raise SystemExit(log.read_text())
                time.sleep(1)
            yield Path(home), log
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(60)
            down = [sys.executable, "-m", "tasador", "down"]
            subprocess.run(down, cwd=ROOT, env=environment, check=True)
            log.unlink()


def photograph(page, name, width, height, scheme="light"):
    """Save what the page shows as docs/images/NAME.png."""
    page.size(width, height)
    page.scheme(scheme)
    time.sleep(1.5)  # fonts, transitions
    path = IMAGES / f"{name}.png"
    page.picture(path)
    # A palette makes a third of the size.
    Image.open(path).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(
        path, optimize=True
    )
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB")


def web_app(page, url, settings):
    """Every page, light and dark; and on a phone."""
    page.size(1100, 1000)
    query = "?state=Texas&city=Houston&zip_code=77084&house_size=1800&bed=3&bath=2"
    page.open(f"{url}/{query}")
    page.wait("document.querySelector('#price')?.innerText", 60)
    page.js("window.scrollTo(0, 0)")
    photograph(page, "estimate-light", 1100, 1000)
    photograph(page, "estimate-dark", 1100, 1000, "dark")
    answer_on_phone(page, "estimate-phone")
    page.size(1100, 1000)
    page.open(f"{url}/es{query}")
    page.wait("document.querySelector('#price')?.innerText", 60)
    photograph(page, "spanish-light", 1100, 1000)
    photograph(page, "spanish-dark", 1100, 1000, "dark")
    answer_on_phone(page, "spanish-phone")
    report(page, url)
    for name, shown in HISTORIES.items():
        page.size(1400, 1000)
        page.open(f"{url}/{name}")
        page.wait(f"document.querySelector({shown!r})", 60)
        if name == "predictions":
            page.click(shown)
            page.wait("document.querySelector('#path')")
            page.js("window.scrollTo(0, 0)")
        three(page, name)
        if name == "models":
            model_card(page, url)
    compare(page, f"{url}/compare?house_size=1800&bed=3&bath=2")
    batch(page, f"{url}/batch")
    activity(page, url, settings)


def report(page, url):
    """The valuation report of the estimate that the page shows, in Spanish."""
    page.open(url + page.js("document.querySelector('a[href*=\"/report/\"]').getAttribute('href')"))
    page.wait("document.querySelector('h1')")
    three(page, "report", window=(1000, 1300))


def model_card(page, url):
    """The card of the version that the page shows."""
    link = "a[href*='/model-card/']"
    page.wait(f"document.querySelector({link!r})")
    page.open(url + page.js(f"document.querySelector({link!r}).getAttribute('href')"))
    page.wait("document.querySelector('h1')")
    three(page, "model-card", window=(1000, 1300))


def answer_on_phone(page, name):
    """The answer as a phone shows it."""
    page.size(*PHONE)
    page.js("document.getElementById('answer').scrollIntoView()")
    photograph(page, name, *PHONE)


def three(page, name, answer="", window=DESK):
    """A page light, dark and on a phone, where the answer comes into view."""
    photograph(page, f"{name}-light", *window)
    photograph(page, f"{name}-dark", *window, "dark")
    page.size(*PHONE)
    page.js(f"document.getElementById('{answer}')?.scrollIntoView()")
    photograph(page, f"{name}-phone", *PHONE)


def activity(page, url, settings):
    """The form to sign in, and who did what."""
    password = token_urlsafe()
    with Warehouse(settings.database_url) as warehouse:
        add_account(warehouse, "ana", "operator", password, "tasador user add")
    page.size(*DESK)
    page.open(f"{url}/login?next=/activity")
    page.wait("document.activeElement.id === 'name'")
    three(page, "login")
    page.fill("name", "ana")
    page.fill("password", password)
    page.press("Enter")
    page.wait("document.querySelector('.who')?.innerText.includes('ana')")
    page.wait("document.querySelector('tbody tr')")
    three(page, "activity")


def compare(page, url):
    """Two homes and what makes the difference."""
    page.size(1400, 1000)
    page.open(url)
    page.wait("document.querySelector('main[data-loaded=true]')")
    page.click(".choices button:nth-child(2)")
    page.wait("document.getElementById('homes-form')")
    for name, text in {"place_a": "Houston, Texas", "place_b": "Ohio", "bed_b": "4"}.items():
        page.fill(name, text)
    page.press("Enter")
    page.wait("document.querySelector('#differences')")
    three(page, "compare", "comparison")


def batch(page, url):
    """A file of homes with its prices."""
    page.size(1400, 1000)
    page.open(url)
    page.wait("document.querySelector('[data-upload]')?.dataset.upload")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "homes.csv"
        with path.open("w", newline="") as file:
            rows = generate(5, "steady", 0, 4000)
            writer = csv.DictWriter(file, [*rows[0], "parcel"])
            writer.writeheader()
            writer.writerows({**row, "parcel": f"P-{n:05}"} for n, row in enumerate(rows))
        page.attach("#file", path)
        page.wait("document.querySelector('#price-file')")
        page.click("#price-file")
        page.wait("document.querySelector('#priced')", 60)
    three(page, "batch")


def card(page, url):
    """The first measures of the newest training's model card or gate card."""
    page.size(1100, 760)
    page.open(url)
    time.sleep(3)
    photograph(page, "card", 1100, 760)


def mlflow(page, url):
    """The newest version, with the gate's decision."""
    page.size(1200, 560)
    page.open(f"{url}/#/models/tasador-price")
    page.wait("document.body.innerText.includes('Version 2')", 60)
    leaves = "[...document.querySelectorAll('*')].filter(e => !e.children.length)"
    page.js(f"{leaves}.find(e => e.innerText === 'Model training')?.click()")
    page.js(f"{leaves}.find(e => e.innerText === 'Version 2').click()")
    page.wait("document.body.innerText.includes('Promoted')", 60)
    assistant = "[data-component-id='mlflow.assistant.chat_panel.close']"
    if page.js(f"!!document.querySelector({assistant!r})"):
        page.click(assistant)
    photograph(page, "mlflow", 1200, 560)


def seen(log):
    """The lines that remain on a terminal: without the spinners, which are written over."""
    lines = []
    for line in log.split("\n"):
        if "\x1b[1A" in line and lines:
            lines.pop()
        lines.append(re.sub(r"\x1b\[\?25[lh]", "", re.split(r"\r|\x1b\[2K", line)[-1]))
    return lines


def terminal(page, log):
    """The demo's first lines as a terminal shows them."""
    lines = seen(log.read_bytes().decode())
    first = next(n for n, line in enumerate(lines) if "-- batch 0" in line)
    # The web app's services start in the background and report in between.
    loop = [line for line in lines[first:] if line.strip() and " up at http" not in line]
    shown = "\n".join(loop[:TERMINAL_LINES])
    console = Console(file=io.StringIO(), record=True, width=COLUMNS)
    console.print(Text.from_ansi(shown))
    svg = console.export_svg(title="./taskw demo", font_aspect_ratio=0.6)
    # Rich names a web font; the pictures use the machine's.
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.S)
    svg = svg.replace("Fira Code", "DejaVu Sans Mono")
    page.size(1100, 1000)
    show(
        page,
        f"<style>body{{margin:0;overflow:hidden}}svg{{width:1100px;display:block}}</style>{svg}",
    )
    height = int(page.js("document.querySelector('svg').getBoundingClientRect().height"))
    photograph(page, "terminal", 1100, height)


def diagram(page):
    """The README's mermaid diagram as an SVG, since the docs site loads nothing from elsewhere."""
    source = re.search(r"```mermaid\n(.*?)```", (ROOT / "README.md").read_text(), re.S)[1]
    with tempfile.TemporaryDirectory() as folder:
        bun = Path(sys.executable).with_name("bun")
        subprocess.run([bun, "add", "--silent", MERMAID], cwd=folder, check=True)
        page.open("about:blank")
        page.include(Path(folder) / "node_modules/mermaid/dist/mermaid.min.js")
    options = "{startOnLoad: false, theme: 'neutral', htmlLabels: false}"
    svg = page.js(
        f"(async () => {{ mermaid.initialize({options});"
        f" return (await mermaid.render('loop', {source!r})).svg; }})()"
    )
    # HTML lets an element stand open that XML does not.
    svg = page.js(
        "new XMLSerializer().serializeToString(new DOMParser().parseFromString("
        f"{svg!r}, 'text/html').querySelector('svg'))"
    )
    (IMAGES / "loop.svg").write_text(svg)
    print(f"docs/images/loop.svg: {len(svg) / 1000:.0f} kB")


def show(page, html):
    page.open("about:blank")
    page.js(f"document.write({html!r}); document.close()")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--attach", nargs=2, type=Path, metavar=("HOME", "LOG"))
    parser.add_argument("--only", choices=["web", "card", "mlflow", "terminal", "diagram"])
    options = parser.parse_args()
    if chromium.find() is None:
        raise SystemExit("no Chromium found: apt install chromium, or set CHROMIUM")
    IMAGES.mkdir(exist_ok=True)

    def wanted(name):
        return options.only in (None, name)

    with chromium.browser() as new_tab:
        page = new_tab()
        if wanted("diagram"):
            diagram(page)
        if options.only == "diagram":
            return
        with attached(*options.attach) if options.attach else demo() as (home, log):
            settings = Settings.load({"TASADOR_HOME": str(home)})
            if wanted("web"):
                web_app(page, settings.web_url, settings)
            if wanted("card"):
                card(page, settings.cards_train_url)
            if wanted("mlflow"):
                mlflow(page, settings.mlflow_url)
            if wanted("terminal"):
                terminal(page, log)


@contextmanager
def attached(home, log):
    yield home, log


if __name__ == "__main__":
    main()
