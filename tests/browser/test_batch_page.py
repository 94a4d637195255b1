"""The Batch page: a file is checked, priced and fetched; a bad one is refused with its reason."""

import csv
import gzip
import io

import pytest

from tasador.scoring.price_file import OUTPUT
from tests.browser import chromium
from tests.browser.page_links import links
from tests.kit.waiting import wait_for

pytestmark = pytest.mark.skipif(
    chromium.find() is None,
    reason="there is no Chromium on this machine (apt install chromium, or set CHROMIUM)",
)
HOMES = 12_000


def homes(path):
    """A packed file with a formula for a key, sizes with a comma, a value in ten that cannot be
    read, and two rows that are no homes."""
    lines = ["=id,state,house_size,bed,note"]
    lines += [
        f'{n},Texas,"{1000 + n % 900:,}",{"lots" if n % 10 == 0 else 3},=1+{n}'
        for n in range(HOMES)
    ]
    lines += [",,,,", f"{HOMES},Texas"]
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    return path


def opened(page, web):
    page.open(f"{web}/batch")
    page.wait("document.querySelector('[data-upload]')?.dataset.upload")


def test_file_is_checked_priced_and_fetched(page, web, model, tmp_path):
    opened(page, web)
    page.attach("#file", homes(tmp_path / "homes.csv.gz"))
    page.wait("document.querySelector('#checked')")
    page.shows("12,002 rows", "#checked")
    page.shows("1,200 rows have a value that cannot be read", "#checked")
    page.shows("2 rows are blank or have more or fewer values", "#checked")
    page.shows("Price 12,000 homes", "#price-file")
    page.shows("in line 2: bed is not a number ('lots')", "tbody")
    assert wait_for(lambda: page.texts(".check")) == ["=id", "note"]
    page.click("#price-file")
    page.wait("document.querySelector('#priced')?.innerText === '12,000 homes'", 60)
    page.shows("tasador-price, version 3", "main")
    page.wait("document.querySelector('#download')")
    name, text = page.download("#download")
    assert name == "homes-prices.csv"
    # The page stays, and its other links are those of pages.
    page.shows("12,000 homes", "#priced", exactly=True)
    assert links(page, routed=True) == {}
    rows = list(csv.DictReader(io.StringIO(text)))
    assert tuple(rows[0]) == ("'=id", "note", *OUTPUT)
    blank, short = rows[HOMES:]
    assert (blank["price"], blank["problems"]) == ("", "row is blank")
    assert (short["'=id"], short["price"]) == (str(HOMES), "")
    assert short["problems"] == "row has 2 values where the header has 5"
    rows = rows[:HOMES]
    assert (rows[7]["'=id"], rows[7]["note"]) == ("7", "'=1+7")
    assert rows[10]["problems"] == "bed is not a number"
    assert [rows[n]["missing"].count("house_size") for n in (7, 10)] == [0, 0]
    assert all(float(row["lo95"]) < float(row["price"]) < float(row["hi95"]) for row in rows)


def test_file_is_priced_in_spanish_and_stays_in_the_other_language(page, web, model, tmp_path):
    page.open(f"{web}/es/batch")
    page.wait("document.querySelector('[data-upload]')?.dataset.upload")
    page.attach("#file", homes(tmp_path / "homes.csv.gz"))
    page.shows("12.002 filas", "#checked")
    page.shows("en la línea 2: bed no es un número ('lots')", "tbody")
    page.click("#price-file")
    page.wait("document.querySelector('#priced')?.innerText === '12.000 viviendas'", 60)
    page.shows("tasador-price, versión 3", "main")
    page.click("[data-language]")
    page.wait("document.querySelector('#priced')?.innerText === '12,000 homes'")
    page.shows("tasador-price, version 3", "main")


def test_other_files_are_refused_with_their_reason(page, web, model, tmp_path):
    opened(page, web)
    (tmp_path / "homes.csv.bz2").write_bytes(b"BZh91AY.")
    page.attach("#file", tmp_path / "homes.csv.bz2")
    page.wait("document.querySelector('[role=alert].notice')")
    page.shows("homes.csv.bz2 is compressed with bzip2: unpack it first", ".notice")
    page.js("document.querySelector('[data-upload]').dataset.most = 5")
    page.attach("#file", tmp_path / "homes.csv.bz2")
    page.wait("document.querySelector('[data-send-error]').innerText.includes('larger than')")
    page.js("document.querySelector('[data-upload]').dataset.most = 500")
    # The next file can be sent at once.
    (tmp_path / "homes.csv").write_text("bed\n3\n")
    page.attach("#file", tmp_path / "homes.csv")
    page.wait("document.querySelector('#checked')")
    page.shows("1 row.", "#checked")
    page.wait("!document.querySelector('.notice')")
