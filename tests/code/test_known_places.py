"""The places that a model offers to a search."""

from tasador.listings.arrays import arrays_of
from tasador.listings.listing import Listing
from tasador.model.known_places import known_places
from tasador.training.encoding import fit_all_rows
from tasador.training.rows import prepare_rows


def test_known_places_are_those_with_listings():
    rows = [
        Listing(price=200_000.0, city="MIAMI", state="Florida", zip_code="33131"),
        Listing(price=210_000.0, city="miami", state="Florida", zip_code="33131"),
        Listing(price=300_000.0, city="st. louis", state="Missouri", zip_code="63116"),
    ] * 20
    encoders = fit_all_rows(prepare_rows(arrays_of(rows)))
    cities, zips = known_places(encoders, ["Florida", "Missouri"])
    by_city = {
        (name, state): (listings, zip_code)
        for name, state, listings, zip_code in zip(*cities, strict=True)
    }
    assert by_city == {
        ("Miami", "Florida"): (40, "33131"),
        ("St. Louis", "Missouri"): (20, "63116"),
    }
    assert sorted(zip(*zips, strict=True)) == [
        ("33131", "Florida", 40),
        ("63116", "Missouri", 20),
    ]
