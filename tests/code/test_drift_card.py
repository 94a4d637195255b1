"""The checks on a drift card: what passes reads so, and what is missing as usual is folded."""

import pandas as pd
import pytest

from tasador.drift.card import finding_rows
from tasador.drift.checks import Finding
from tasador.drift.reasons import describe_brokers, describe_mix, describe_shift


def missing(column, value, limit=0.08):
    return Finding(
        name="missing",
        column=column,
        value=value,
        limit=limit,
        effect="moved",
        message=f"{column} is missing",
    )


def test_fields_that_are_missing_as_usual_share_a_row():
    findings = [
        missing("bed", 0.2),
        missing("bath", 0.03),
        *(missing(column, 0.001) for column in ("state", "city", "street")),
    ]
    table = finding_rows(findings)
    assert [row[1] for row in table] == ["missing bed", "missing bath", "missing, 3 fields"]
    assert [row[0] for row in table] == ["✘", "✔", "✔"]
    assert table[2][5].endswith("champion's data: state, city, street")
    assert len(finding_rows(findings[:4])) == 4  # two are not folded


@pytest.mark.parametrize(
    ("limit", "shift", "mix"),
    [
        (0.1, "price is distributed differently", "the mix of state changed"),
        (0.5, "price is distributed much as before", "the mix of state is much as before"),
    ],
)
def test_a_check_says_whether_it_passed(limit, shift, mix):
    prices = pd.Series([1.0, 2.0], name="price")
    assert describe_shift(prices, prices, 0.2, limit).startswith(shift)
    states = pd.Series(["Ohio", "Texas"], name="state")
    assert describe_mix(states, states, 0.2, limit).startswith(mix)
    shares = pd.Series([0.2], index=["7"])
    said = describe_brokers(shares, shares, exceeded=limit < 0.2)
    assert said.startswith("the mix of brokers changed") == (limit < 0.2)
