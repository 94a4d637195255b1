"""The figures of a batch's card, compared with those that pandas computes."""

import pyarrow as pa
import pytest

from tasador.ingestion.batch_file import profile
from tasador.listings.listing import COLUMNS, read_row
from tasador.listings.table import frame_of
from tasador.source.simulator import generate


def test_profile_matches_pandas():
    read = [read_row(row) for row in generate(3, "steady", 0, 800)]
    frame = frame_of([listing for listing, problems in read if not problems])
    table = pa.Table.from_pandas(frame, preserve_index=False)
    profiled = profile([table.slice(0, 300), table.slice(300)])
    assert profiled["rows"] == len(frame)
    assert profiled["holdout"] == frame["holdout"].sum()
    states = frame["state"].fillna("(missing)").value_counts()
    assert dict(profiled["states"]) == states.to_dict()
    assert [rows for _, rows in profiled["states"]] == sorted(states, reverse=True)
    assert profiled["missing"] == pytest.approx({c: frame[c].isna().mean() for c in COLUMNS})
    for name, counted in profiled["histograms"].items():
        assert sum(counted["counts"]) == frame[name].notna().sum()
        inside = frame[name].between(counted["edges"][20], counted["edges"][25], inclusive="left")
        assert sum(counted["counts"][20:25]) == inside.sum()


def test_profile_without_rows():
    assert profile([])["rows"] == 0
    assert set(profile([])["missing"].values()) == {0.0}
