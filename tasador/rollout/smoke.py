"""The smoke test of a candidate: it must answer the golden rows as training did."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from tasador.clock import backoff, retry
from tasador.errors import BundleError, RolloutError
from tasador.model.golden import GOLDEN_TOLERANCE, read_golden
from tasador.model.manifest import GOLDEN, Verified
from tasador.records.prediction import SMOKE_TEST_HEADER

if TYPE_CHECKING:
    import httpx

# explain is slower than predict: it is tested on the first few golden rows.
_EXPLAINED_ROWS = 3
_TIMEOUT = 30.0
# No connection, one that broke, or a proxy's answer says nothing about the model.
_ATTEMPTS = 4
_FIRST_PAUSE = 0.5
_PROXY_ERRORS = (502, 503, 504)


class _NoAnswer(Exception):
    """The candidate did not answer, or a proxy answered for it."""


def golden_of(bundle: Verified) -> list[dict[str, Any]]:
    """The golden rows of a bundle: [{"listing": {...}, "price": dollars}]."""
    path = bundle.folder / GOLDEN
    rows = read_golden(bundle.contents[GOLDEN], path)
    if not rows:
        raise BundleError(f"{path} holds no rows: a candidate cannot be tested")
    return [{"listing": row.body(), "price": row.price} for row in rows]


def smoke_test(service: str, address: str, golden: list[dict[str, Any]], digest: str) -> str:
    """Test the candidate at ``address``; returns a summary, raises RolloutError.

    predict must answer every golden row with the price that training gave it. explain must do so
    for the first rows, with contributions that add up to the price within a dollar. Both must name
    the promoted ``digest``.
    """
    try:
        if service == "explain":
            expected = golden[:_EXPLAINED_ROWS]
            answers = [_post(f"{address}/explain", row["listing"]) for row in expected]
            for answer in answers:
                _check_sum(answer)
        else:
            answers = _batch(address, golden)
            answers.append(_post(f"{address}/predict", golden[0]["listing"]))
            expected = [*golden, golden[0]]
        worst = max(
            _difference(answer, row["price"], digest)
            for answer, row in zip(answers, expected, strict=True)
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RolloutError(f"an answer of {address} cannot be read: {error!r}") from error
    return f"{len(answers)} golden answers, largest relative difference {worst:.1e}"


def _batch(address: str, golden: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The predictions for all golden rows, one for each."""
    listings = [row["listing"] for row in golden]
    url = f"{address}/batch_predict"
    predictions = list(_post(url, {"listings": listings})["predictions"])
    if len(predictions) != len(golden):
        raise RolloutError(
            f"{url} answered {len(golden)} golden rows with {len(predictions)} predictions"
        )
    return predictions


def _difference(answer: dict[str, Any], expected: float, digest: str) -> float:
    """The relative difference of an answer's price from the expected price, in dollars both."""
    if answer["model"]["digest"] != digest:
        raise RolloutError(f"the candidate serves the digest {answer['model']['digest']}")
    price: float = answer["price"]
    difference = abs(price - expected) / expected
    # "not <=" also refuses NaN.
    if not difference <= GOLDEN_TOLERANCE:
        raise RolloutError(
            f"a golden row of {expected:,.2f} dollars is answered with {price:,.2f} "
            f"(at most {GOLDEN_TOLERANCE:.2%} apart is allowed)"
        )
    return difference


def _check_sum(answer: dict[str, Any]) -> None:
    total = answer["base"] + math.fsum(c["dollars"] for c in answer["contributions"])
    if not abs(total - answer["price"]) <= 1.0:
        raise RolloutError(
            f"contributions add up to {total:,.2f}, not to the price {answer['price']:,.2f}"
        )


def _post(url: str, body: Any) -> Any:
    """The JSON answer to a POST; tried again where no answer came through."""
    try:
        answer = retry(
            lambda: _post_once(url, body), _NoAnswer, backoff(_FIRST_PAUSE), attempts=_ATTEMPTS
        )
    except _NoAnswer as error:
        raise RolloutError(f"{url} {error}") from error.__cause__
    if answer.status_code != 200:
        raise RolloutError(f"{url} {_refusal(answer)}")
    return answer.json()


def _post_once(url: str, body: Any) -> httpx.Response:
    import httpx

    headers = {SMOKE_TEST_HEADER: "1"}
    try:
        answer = httpx.post(url, json=body, headers=headers, timeout=_TIMEOUT, trust_env=False)
    except httpx.TransportError as error:
        raise _NoAnswer(f"did not answer: {error!r}") from error
    if answer.status_code in _PROXY_ERRORS:
        raise _NoAnswer(_refusal(answer))
    return answer


def _refusal(answer: httpx.Response) -> str:
    return f"answered HTTP {answer.status_code}: {answer.text[:300]}"
