"""The distribution of a column: which bins are answered, and that all rows are counted."""

from functions import openapi
from functions.distributions import EDGES, _name_bins, _number_bins, _side
from tasador.warehouse.distributions import COUNTED, Counts


def test_document_lists_the_columns_that_are_counted():
    assert sorted(openapi.COUNTED) == sorted(COUNTED)
    assert set(EDGES) < set(COUNTED)


def test_edges_increase_and_bins_cover_every_number():
    for edges in EDGES.values():
        assert edges == sorted(set(edges))
        bins, keys = _number_bins(edges)
        assert (bins[0]["from"], bins[-1]["to"]) == (None, None)
        assert [b["to"] for b in bins[:-1]] == [b["from"] for b in bins[1:]] == edges
        assert keys == list(range(len(edges) + 1))


def test_rare_names_are_counted_together():
    new = Counts({f"s{n:02}": 100 - n for n in range(20)}, 3)
    old = Counts({"s19": 1000, "s00": 1}, 0)
    bins, keys = _name_bins(new, old)
    assert len(bins) == 13
    assert [b["name"] for b in bins[:2]] == ["s19", "s00"]
    side = _side(new, keys)
    assert sum(side["rows"]) == sum(new.rows.values())
    assert side["rows"][-1] > 0
    assert side["missing"] == 3
    assert _side(old, keys)["rows"] == [1000, 1, *[0] * 11]
