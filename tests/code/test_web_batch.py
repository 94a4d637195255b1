"""The Batch page without a browser: its files, its pricing by predict, and what it shows."""

import asyncio
import csv
import json
import os
import sys
from pathlib import Path

import httpx
import pytest

from tasador.scoring.price_file import OUTPUT, check_csv
from tasador.settings import CHECKOUT

sys.path.append(str(CHECKOUT / "web"))
from tasador_web import batch_files, batch_job, batch_view
from tasador_web.batch_files import BatchFiles, FileRoutes
from tasador_web.client import ApiError
from tasador_web.languages import speaking


async def elsewhere(scope, receive, send):
    await send({"type": "http.response.start", "status": 418, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
def files(tmp_path):
    return BatchFiles(tmp_path)


class Browser:
    """Sends requests to the routes and keeps their cookies."""

    def __init__(self, files):
        self._routes = FileRoutes(elsewhere, lambda: files)
        self._cookies = httpx.Cookies()

    def request(self, method, path, **options):
        async def ask():
            transport = httpx.ASGITransport(self._routes)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://app", cookies=self._cookies
            ) as http:
                answer = await http.request(method, path, **options)
                self._cookies = http.cookies
                return answer

        return asyncio.run(ask())

    def get(self, path):
        return self.request("GET", path)

    def put(self, path, **options):
        return self.request("PUT", path, **options)

    def delete(self, path):
        return self.request("DELETE", path)


def client(files):
    return Browser(files)


def sent(browser, ticket, content=b"state\nOhio\n", name="homes.csv"):
    return browser.put(f"/batch-files/{ticket}", content=content, headers={"x-file-name": name})


# -- files ----------------------------------------------------------------------------------------


def test_file_is_kept_and_its_result_is_sent_to_its_browser_alone(files):
    browser, ticket = client(files), files.open()
    assert sent(browser, ticket, name="my%20homes.csv.gz").status_code == 204
    file = files.find(ticket)
    assert file.path.name == "my_homes.csv.gz"
    assert file.path.read_bytes() == b"state\nOhio\n"
    assert oct(file.folder.stat().st_mode)[-3:] == "700"
    assert browser.get(f"/batch-files/{ticket}").status_code == 404, "it has not been priced"
    file.result.write_text("price\n1\n")
    answer = browser.get(f"/batch-files/{ticket}")
    assert (answer.status_code, answer.text) == (200, "price\n1\n")
    assert 'filename="my_homes-prices.csv"' in answer.headers["content-disposition"]
    assert answer.headers["cache-control"] == "no-store"
    assert client(files).get(f"/batch-files/{ticket}").status_code == 403
    other, second = client(files), files.open()
    sent(other, second)
    assert other.get(f"/batch-files/{ticket}").status_code == 403


def test_unknown_tickets_and_other_methods_are_refused(files):
    browser = client(files)
    assert sent(browser, "guess").status_code == 404
    assert browser.get("/batch-files/../../etc/passwd").status_code in (404, 418)
    assert browser.delete(f"/batch-files/{files.open()}").status_code == 405
    assert browser.get("/batch").status_code == 418, "the app answers"
    assert not files.folder.exists()


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("..%2F..%2Fetc%2Fpasswd", "passwd"),
        ("C%3A%5Chomes%5Ca.csv", "a.csv"),
        (".bashrc", "bashrc"),
        ("", "listings.csv"),
        ("a%0Ab%22.csv", "a_b_.csv"),
    ],
)
def test_names_stay_in_their_folder(given, name):
    assert batch_files.file_name(given) == name


def test_result_never_replaces_the_file(files):
    browser, ticket = client(files), files.open()
    sent(browser, ticket, name="prices.csv")
    assert files.find(ticket).path != files.find(ticket).result


def test_too_large_files_are_refused_and_deleted(files, monkeypatch):
    monkeypatch.setattr(batch_files, "MAX_FILE", 20)
    browser, ticket = client(files), files.open()
    assert sent(browser, ticket, b"x" * 20).status_code == 204

    async def pieces():
        yield b"x" * 15
        yield b"x" * 15

    answer = browser.put(f"/batch-files/{ticket}", content=pieces())
    assert answer.status_code == 413
    assert "compress it, or split it" in answer.json()["detail"]
    assert files.size() == 0
    assert files.find(ticket).path is None
    assert sent(browser, ticket, b"x" * 21).status_code == 413
    monkeypatch.setattr(batch_files, "MAX_ALL", 30)
    assert sent(browser, files.open(), b"x" * 20).status_code == 204
    assert sent(browser, files.open(), b"x" * 20).status_code == 507


def test_unused_files_and_those_of_killed_processes_are_deleted(files, tmp_path):
    browser, ticket = client(files), files.open()
    sent(browser, ticket)
    files.find(ticket).used -= batch_files.KEPT_SECONDS + 1
    files.open()
    assert files.size() == 0
    assert files.find(ticket) is None
    left = tmp_path / "tasador-batches-999999999"
    left.mkdir()
    own = tmp_path / f"tasador-batches-{os.getpid()}"
    own.mkdir(exist_ok=True)
    BatchFiles(tmp_path)
    assert (left.exists(), own.exists()) == (False, True)


# -- pricing --------------------------------------------------------------------------------------


class Predict:
    """Prices a row at 1,000 dollars for each bedroom; ``answers`` come first."""

    def __init__(self, *answers, most=10_000):
        self.answers, self.most, self.bodies = list(answers), most, []

    def __call__(self, request):
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        assert "tasador-smoke-test" in request.headers, "a file is not recorded"
        columns = json.loads(request.content)["columns"]
        beds = columns["bed"]
        if len(beds) > self.most:
            return httpx.Response(413, json={"title": "too long", "status": 413})
        self.bodies.append(columns)
        price = [1000.0 * (bed or 0) for bed in beds]
        ends = {"low": price, "high": price}
        return httpx.Response(
            200,
            json={
                "rows": len(beds),
                "price": price,
                "intervals": dict.fromkeys(("80", "90", "95"), ends),
                "missing": {"bed": [row for row, bed in enumerate(beds) if bed is None]},
                "warnings": [{"row": 0, "warnings": ["bed is odd"]}],
                "model": {"name": "m", "version": 3},
                "confidence": {"fsd": [0.125] * len(beds), "class": ["high"] * len(beds)},
            },
        )


def busy(seconds="1"):
    return httpx.Response(503, json={"title": "busy", "detail": "too many requests", "status": 503})


@pytest.fixture
def said():
    return []


@pytest.fixture
def priced(tmp_path, said, monkeypatch):
    """Price a CSV by a predict; the rows of the result."""
    monkeypatch.setattr(batch_job.time, "sleep", lambda _: None)
    monkeypatch.setattr(batch_job, "_ROWS", 3)

    def run(predict, text, patience=60.0):
        (tmp_path / "in.csv").write_text(text)
        pricer = batch_job.FunctionPricer(
            "http://x/{function}",
            lambda **values: said.append(values),
            transport=httpx.MockTransport(predict),
            patience=patience,
        )
        batch_job.price_csv(pricer, tmp_path / "in.csv", tmp_path / "out.csv")
        with (tmp_path / "out.csv").open(newline="") as file:
            return list(csv.DictReader(file))

    return run


BEDS = "bed,state\n1,TX\nlots,Ohio\n3,\n4,Ohio\n"


def test_rows_are_sent_as_read_and_answered_in_order(priced, said):
    predict = Predict()
    rows = priced(predict, BEDS)
    assert tuple(rows[0]) == OUTPUT
    assert [float(row["price"]) for row in rows] == [1000, 0, 3000, 4000]
    assert {(row["fsd"], row["confidence"]) for row in rows} == {("0.125", "high")}
    assert [row["problems"] for row in rows] == ["", "bed is not a number", "", ""]
    assert [row["missing"] for row in rows] == ["", "bed", "", ""]
    assert [row["warnings"] for row in rows] == ["bed is odd", "", "", "bed is odd"]
    assert predict.bodies[0]["bed"] == [1.0, None, 3.0]
    assert predict.bodies[0]["state"] == ["Texas", "Ohio", None]
    assert said == [{"rows": 3}, {"rows": 4}]


def test_a_request_that_is_too_long_is_halved(priced):
    predict = Predict(most=1)
    rows = priced(predict, BEDS)
    assert [float(row["price"]) for row in rows] == [1000, 0, 3000, 4000]
    assert [row["missing"] for row in rows] == ["", "bed", "", ""]
    assert [len(body["bed"]) for body in predict.bodies] == [1, 1, 1, 1]


def test_a_busy_or_absent_predict_is_asked_again(priced, said):
    predict = Predict(busy(), httpx.ConnectError("no"), httpx.Response(429, json={}))
    assert len(priced(predict, BEDS)) == 4
    waits = [line["waits"] for line in said if "waits" in line]
    assert waits[0] == "too many requests"
    assert "does not answer" in waits[1]


def test_pricing_gives_up_when_predict_stays_away(priced, tmp_path):
    with pytest.raises(ApiError, match="does not answer"):
        priced(Predict(httpx.ConnectError("no")), BEDS, patience=-1)
    assert not (tmp_path / "out.csv").exists()


def test_without_a_model_pricing_ends_at_once(priced, said):
    none = httpx.Response(503, json={"detail": "no model is in service", "status": 503})
    with pytest.raises(ApiError, match="no model"):
        priced(Predict(none), BEDS)
    assert said == []


def test_files_are_refused_in_the_words_of_the_command_line(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(batch_job, "_end_with_input", lambda: None)
    (tmp_path / "homes.csv").write_bytes(b"BZh91AY and more")
    batch_job.main(["check", str(tmp_path / "homes.csv")])
    assert json.loads(capsys.readouterr().out) == {
        "error": "homes.csv is compressed with bzip2: unpack it first; .csv, .csv.gz and a .zip "
        "with one CSV are read"
    }


def test_numbers_are_read_as_on_the_estimate_page(tmp_path, capsys, monkeypatch):
    """`tasador score` keeps to the rules, by which a comma is in no number."""
    monkeypatch.setattr(batch_job, "_end_with_input", lambda: None)
    path = tmp_path / "homes.csv"
    path.write_text(
        'house_size,bath,acre_lot\n"1,850","2,5","0,5"\n1.850,2.5,0.5\n850.000,2,"1,250"\n'
    )
    batch_job.main(["check", str(path)])
    summary = json.loads(capsys.readouterr().out)["summary"]
    assert summary["problems"] == {"acre_lot": 1, "house_size": 1}
    with speaking("es"):
        says = [problem.example for problem in batch_view.checked_of(summary).problems]
    assert says == [
        "en la línea 4: acre_lot puede ser 1,25 o 1250: escríbalo sin separador de miles ('1,250')",
        "en la línea 4: house_size puede ser 850 o 850000: escríbalo sin separador de miles "
        "('850.000')",
    ]
    assert check_csv(path).problems == {"house_size": 1, "bath": 1, "acre_lot": 2}


# -- the page -------------------------------------------------------------------------------------


def test_view_of_a_checked_file(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("id,bed,price,state\n1,lots,1,TX\n2\n,,,\n")
    checked = batch_view.checked_of(json.loads(json.dumps(vars_of(check_csv(path)))))
    assert (checked.rows_text, checked.homes, checked.homes_text) == ("3 rows", 1, "1 home")
    assert checked.problem_rows == (
        "1 row has a value that cannot be read. It counts as not given; the result says why. "
        "2 rows are blank or have more or fewer values than columns. They get no price."
    )
    examples = {p.name: (p.rows, p.example) for p in checked.problems}
    assert examples == {
        "Whole row": ("2", "in line 3: the row has 1 values, and the header 4 ('2')"),
        "Bedrooms": ("1", "in line 2: bed is not a number ('lots')"),
    }
    assert checked.others == ["id"]
    assert {c.label for c in checked.columns if c.found} == {"Bedrooms", "State"}


def test_rows_that_are_no_homes_are_not_sent_and_have_no_price(priced, tmp_path, said):
    predict = Predict()
    rows = priced(predict, "bed,state\n,\n2,TX\n,\n,\n3\n,\n4,TX\n")
    assert [row["price"] for row in rows] == ["", "2000.0", "", "", "", "", "4000.0"]
    assert [body["bed"] for body in predict.bodies] == [[2.0, 4.0]]
    assert said == [{"rows": 2}]
    first = batch_view.first_rows(tmp_path / "out.csv", [])
    assert [row.price for row in first[:2]] == ["no price", "$2,000"]
    assert [row.likely for row in first[:2]] == ["", "$2,000 – $2,000"]
    with speaking("es"):
        first = batch_view.first_rows(tmp_path / "out.csv", [])
    assert [row.remarks for row in first[3:5]] == [
        "la fila está vacía",
        "la fila tiene 1 valores, y el encabezado 2",
    ]
    summary = vars_of(check_csv(tmp_path / "in.csv"))
    result = {"summary": summary, "spread": [1, 2, 3], "model": {"name": "m", "version": 3}}
    assert batch_view.priced_of(result).rows == "2 homes"


def vars_of(summary):
    return {name: getattr(summary, name) for name in summary.__dataclass_fields__}


def test_file_is_described_in_spanish(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("id,bed,state\n1,lots,TX\n")
    summary = json.loads(json.dumps(vars_of(check_csv(path))))
    with speaking("es"):
        checked = batch_view.checked_of(summary)
        bars = batch_view.bars_of(batch_view.histogram([1_250_000.0] * 3 + [2_500_000.0]))
        size = batch_view.size_of(18_400_000)
    assert checked.rows_text == "1 fila"
    assert checked.problem_rows.startswith("1 fila tiene un valor que no se puede leer")
    [problem] = checked.problems
    assert problem.name == "Dormitorios"
    assert problem.example == "en la línea 2: bed no es un número ('lots')"
    assert bars[0].title.startswith("de $1,25\N{NO-BREAK SPACE}M a ")
    assert size == "18,4 MB"


def test_refusal_is_in_the_language_of_the_page_that_sent_the_file(files):
    browser = client(files)
    for page, says in (("/es/batch", "Esta página lleva"), ("/batch", "This page has been")):
        answer = browser.request("GET", "/batch-files/x", headers={"referer": f"http://app{page}"})
        assert answer.json()["detail"].startswith(says)


def test_histogram_counts_every_home_between_its_ends():
    assert batch_view.histogram([]) == []
    [one] = batch_view.bars_of(batch_view.histogram([5.0, 5.0]))
    assert (one.height, one.title) == (100.0, "$5: 2")
    bars = batch_view.bars_of(batch_view.histogram([100_000.0] * 3 + [200_000.0]))
    assert (bars[0].height, bars[-1].height) == (100.0, 33.3)
    assert bars[0].title.startswith("$100k to ")


def test_first_rows_show_keys_price_range_and_remarks(tmp_path):
    path = Path(tmp_path / "out.csv")
    cells = ["7", "x", "200000.5", "150000", "250000", *["0"] * 4, "bed", "bed is odd", "far off"]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["id", "n", *OUTPUT], cells])
    [row] = batch_view.first_rows(path, ["id", "n"])
    assert (row.named, row.price, row.likely) == ("7 · x", "$200,000", "$150,000 – $250,000")
    assert row.remarks == "bed is odd; far off"


def test_remarks_of_the_first_rows_are_in_the_language_of_the_page(tmp_path):
    path = Path(tmp_path / "out.csv")
    says = "brokered_by '77' is not in the training data"
    cells = ["200000.5", "150000", "250000", *["0"] * 4, "bed", "bed is not a number", says]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([OUTPUT, cells])
    [row] = batch_view.first_rows(path, [])
    assert row.remarks == "bed is not a number; We know no broker with the code 77."
    assert batch_view._warning("city 'Port of Spain' of Texas is not in the training data") == (
        "We have no prices from Port of Spain yet; its surroundings stand in."
    )
    with speaking("es"):
        [row] = batch_view.first_rows(path, [])
    assert row.remarks == "bed no es un número; No conocemos ningún agente con el código 77."
