"""Check or price a file in a separate process: `python -m tasador_web.batch_job check FILE`.

So a file of 200,000 rows takes no time from other visitors. Each line of the output is a JSON
object: the progress ({"rows": 5000}, {"waits": "reason"}), and last a {"summary": ...} or an
{"error": ...}. The process ends when its standard input does.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from tasador.clock import backoff
from tasador.errors import TasadorError
from tasador.listings.arrays import InputColumns
from tasador.listings.listing import INPUTS
from tasador.listings.text_column import TextColumn
from tasador.model.intervals import LEVELS
from tasador.records.prediction import SMOKE_TEST_HEADER
from tasador.scoring.lines import PricedRows
from tasador.scoring.price_file import check_csv, price_csv
from tasador.settings import Settings
from tasador_web.batch_view import histogram
from tasador_web.client import ApiError
from tasador_web.languages import speak, text
from tasador_web.words import number_in_file

MAX_ROWS = 200_000
# Rows of a request; fewer if they are too long for one.
_ROWS = 5_000
# For so long a request is tried again while predict does not answer (seconds).
_PATIENCE = 60.0
_TRY_AGAIN = (429, 502, 503, 504)
_TOO_LONG = 413


def main(arguments: list[str]) -> None:
    """Do the work and say how it goes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("work", choices=("check", "price"))
    parser.add_argument("file", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--language", default="en")
    parser.add_argument("--key", action="append", default=[])
    given = parser.parse_args(arguments)
    speak(given.language)
    threading.Thread(target=_end_with_input, daemon=True).start()
    try:
        if given.work == "check":
            say(
                summary=dataclasses.asdict(
                    check_csv(given.file, most=MAX_ROWS, number_text=number_in_file)
                )
            )
        else:
            price(given.file, given.out, given.key)
    except (TasadorError, ApiError) as error:
        # The visitor knows the file by its name alone.
        say(error=str(error).replace(f"{given.file.parent}{os.sep}", ""))


def price(file: Path, out: Path, keys: list[str]) -> None:
    """Price the file by predict, and say its summary and how its prices are spread."""
    pricer = FunctionPricer(Settings.load().require("functions_url").functions_url, say)
    summary = price_csv(pricer, file, out, keys=keys, most=MAX_ROWS, number_text=number_in_file)
    prices = np.concatenate(pricer.prices) if pricer.prices else np.empty(0)
    say(
        summary=dataclasses.asdict(summary),
        model=pricer.model,
        spread=np.quantile(prices, (0.1, 0.5, 0.9)).tolist() if len(prices) else [],
        histogram=histogram(prices.tolist()),
    )


class FunctionPricer:
    """Prices tables by predict's /batch_predict; raises ApiError.

    The next table is sent after the answer to the last, and again while predict wakes up or is
    busy. The requests are not recorded: a file is no sample of the homes that people ask for.
    """

    def __init__(
        self,
        url: str,
        say: Callable[..., None],
        *,
        transport: httpx.BaseTransport | None = None,
        patience: float = _PATIENCE,
    ) -> None:
        self._url = f"{url.rstrip('/').replace('{function}', 'predict')}/batch_predict"
        self._say = say
        self._patience = patience
        self._http = httpx.Client(
            timeout=httpx.Timeout(60.0, connect=5.0),
            trust_env=False,
            transport=transport,
            headers={SMOKE_TEST_HEADER: "batch"},
        )
        self._done = 0
        self.prices: list[Any] = []
        self.model: dict[str, Any] = {}

    def __call__(self, table: InputColumns) -> PricedRows:
        """The prices of a table, in several requests."""
        columns, rows, answers = columns_of(table), len(table["bed"]), []
        for start in range(0, rows, _ROWS):
            piece = {name: values[start : start + _ROWS] for name, values in columns.items()}
            size = min(_ROWS, rows - start)
            answers += self._ask(piece, size)
            self._done += size
            self._say(rows=self._done)
        priced = _joined(answers, rows)
        self.prices.append(priced.price)
        return priced

    def _ask(self, columns: dict[str, list[Any]], rows: int) -> list[dict[str, Any]]:
        """The answers to the rows, in one request or in several."""
        response = self._sent({"columns": columns})
        if response.status_code == _TOO_LONG and rows > 1:
            half = rows // 2
            first = {name: values[:half] for name, values in columns.items()}
            second = {name: values[half:] for name, values in columns.items()}
            return [*self._ask(first, half), *self._ask(second, rows - half)]
        if not response.is_success:
            raise ApiError.from_response(response)
        answer = response.json()
        model = {name: answer["model"][name] for name in ("name", "version")}
        if self.model not in ({}, model):
            raise ApiError(text("Another model went into service meanwhile: price the file again."))
        self.model = model
        return [answer]

    def _sent(self, body: dict[str, Any]) -> httpx.Response:
        pauses, until = backoff(0.5, 5.0), time.monotonic() + self._patience
        while True:
            try:
                response = self._http.post(self._url, json=body)
                problem = ApiError.from_response(response)
                may_wait = response.status_code in _TRY_AGAIN and not problem.no_model
                if response.is_success or not may_wait:
                    return response
            except httpx.HTTPError:
                problem = ApiError(text("predict does not answer. Is it up?"))
            if time.monotonic() > until:
                raise problem
            self._say(waits=problem.detail)
            time.sleep(next(pauses))


def columns_of(table: InputColumns) -> dict[str, list[Any]]:
    """The inputs as predict reads them, None for a missing value."""
    columns = {name: list(table[name].tolist()) for name in INPUTS}
    return {
        name: [None if value != value else value for value in values]
        for name, values in columns.items()
    }


def _joined(answers: list[dict[str, Any]], rows: int) -> PricedRows:
    missing: list[list[str]] = [[] for _ in range(rows)]
    warnings: dict[int, list[str]] = {}
    start = 0
    for answer in answers:
        for name in INPUTS:
            for row in answer["missing"].get(name, ()):
                missing[start + row].append(name)
        warnings |= {start + each["row"]: each["warnings"] for each in answer["warnings"]}
        start += answer["rows"]

    def joined(values: list[list[float]]) -> Any:
        return np.concatenate([np.array(part, dtype=np.float64) for part in values])

    measured = [a["confidence"] for a in answers if a["confidence"]]
    return PricedRows(
        joined([a["price"] for a in answers]),
        {level: joined([a["intervals"][level]["low"] for a in answers]) for level in LEVELS},
        {level: joined([a["intervals"][level]["high"] for a in answers]) for level in LEVELS},
        TextColumn.of(map(";".join, missing)),
        warnings,
        joined([each["fsd"] for each in measured]) if measured else None,
        TextColumn.of(chain.from_iterable(each["class"] for each in measured))
        if measured
        else None,
    )


def say(**values: Any) -> None:
    """Write a line of the output."""
    sys.stdout.write(f"{json.dumps(values)}\n")
    sys.stdout.flush()


def _end_with_input() -> None:
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
