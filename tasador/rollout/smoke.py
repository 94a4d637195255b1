"""The smoke test of a candidate: does it answer the golden rows as training did?"""

from __future__ import annotations

import json
import math
import time
from typing import Any

from tasador.errors import BundleError, RolloutError
from tasador.model.bundle import GOLDEN_TOLERANCE
from tasador.model.manifest import GOLDEN, Verified
from tasador.prediction_record import SMOKE_TEST_HEADER
from tasador.rollout.plan import Promotion

_EXPLAINED = 3
_TIMEOUT = 30.0
# Pauses between tries where no answer came through: no connection, one that broke, a proxy alone.
_PAUSES = (0.5, 1.0, 2.0)
_PASSING = (502, 503, 504)


def golden_of(bundle: Verified) -> list[dict[str, Any]]:
    """The golden rows of a bundle: [{"listing": {...}, "price": dollars}]."""
    rows = json.loads(bundle.contents[GOLDEN])
    if not rows:
        raise BundleError(f"{bundle.folder / GOLDEN} holds no rows: a candidate cannot be tested")
    return list(rows)


def smoke_test(
    service: str, address: str, golden: list[dict[str, Any]], promotion: Promotion
) -> str:
    """Ask the candidate at ``address``; returns what was found, raises RolloutError.

    predict must give every golden row the price that training gave it; explain must give the same
    and contributions that add up to it within a dollar. Both must name the promoted digest.
    """
    if service == "explain":
        answers = [_post(f"{address}/explain", row["listing"]) for row in golden[:_EXPLAINED]]
        for answer in answers:
            _add_up(answer)
    else:
        listings = [row["listing"] for row in golden]
        answers = _post(f"{address}/batch_predict", {"listings": listings})["predictions"]
        answers.append(_post(f"{address}/predict", listings[0]))
        golden = [*golden, golden[0]]
    worst = 0.0
    for answer, row in zip(answers, golden, strict=False):
        if answer["model"]["digest"] != promotion.digest:
            raise RolloutError(f"the candidate serves the digest {answer['model']['digest']}")
        difference = abs(answer["price"] - row["price"]) / row["price"]
        # Also true of a NaN.
        if not difference <= GOLDEN_TOLERANCE:
            raise RolloutError(
                f"a golden row of {row['price']:,.2f} dollars is answered with "
                f"{answer['price']:,.2f} (at most {GOLDEN_TOLERANCE:.2%} apart is allowed)"
            )
        worst = max(worst, difference)
    return f"{len(answers)} golden answers, the worst {worst:.1e} apart"


def _add_up(answer: dict[str, Any]) -> None:
    total = answer["base"] + math.fsum(c["dollars"] for c in answer["contributions"])
    if not abs(total - answer["price"]) <= 1.0:
        raise RolloutError(
            f"contributions add up to {total:,.2f}, not to the price {answer['price']:,.2f}"
        )


def _post(url: str, body: Any) -> Any:
    """Ask, and again where the answer did not come through: that says nothing of the model."""
    import httpx

    for pause in (*_PAUSES, None):
        cause: Exception | None = None
        try:
            answer = httpx.post(
                url, json=body, headers={SMOKE_TEST_HEADER: "1"}, timeout=_TIMEOUT, trust_env=False
            )
        except httpx.TransportError as error:
            trouble, cause = f"did not answer: {error!r}", error
        else:
            if answer.status_code == 200:
                return answer.json()
            trouble = f"answered HTTP {answer.status_code}: {answer.text[:300]}"
            if answer.status_code not in _PASSING:
                break
        if pause is not None:
            time.sleep(pause)
    raise RolloutError(f"{url} {trouble}") from cause
