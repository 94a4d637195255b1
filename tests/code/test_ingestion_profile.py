"""The figures of a batch's card, against the plain way to count."""

import pyarrow as pa
import pytest

from tasador.ingestion.batch_file import profile
from tasador.listings.listing import COLUMNS, read_row
from tasador.listings.table import frame_of
from tasador.source.simulator import generate


def test_a_profile_counts_what_pandas_counts():
    read = [read_row(row) for row in generate(3, "steady", 0, 800)]
    frame = frame_of([listing for listing, problems in read if not problems])
    table = pa.Table.from_pandas(frame, preserve_index=False)
    found = profile([table.slice(0, 300), table.slice(300)])
    assert found["rows"] == len(frame)
    assert found["holdout"] == frame["holdout"].sum()
    states = frame["state"].fillna("(missing)").value_counts()
    assert dict(found["states"]) == states.to_dict()
    assert [rows for _, rows in found["states"]] == sorted(states, reverse=True)
    assert found["missing"] == pytest.approx({c: frame[c].isna().mean() for c in COLUMNS})
    for name, counted in found["histograms"].items():
        assert sum(counted["counts"]) == frame[name].notna().sum()
        inside = frame[name].between(counted["edges"][20], counted["edges"][25], inclusive="left")
        assert sum(counted["counts"][20:25]) == inside.sum()


def test_a_profile_of_nothing():
    assert profile([])["rows"] == 0
    assert set(profile([])["missing"].values()) == {0.0}
