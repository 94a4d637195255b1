"""What a home would be listed at and what it would sell for, where its status is not given."""

import numpy as np
import pytest

from tasador.listings.arrays import arrays_of
from tasador.listings.listing import Listing
from tasador.listings.rules import STATUSES
from tasador.model.bundle import Bundle
from tasador.model.contributions import explain
from tasador.model.encoder_files import from_files, to_files
from tests.kit.listings import simulated_listings
from tests.kit.models import make_bundle

LISTINGS = [Listing(), *simulated_listings(12)]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prices") / "bundle"
    make_bundle(folder)
    return Bundle.load(folder)


def with_status(listings, status):
    return [listing._replace(status=status) for listing in listings]


def test_without_a_status_both_prices_are_those_of_each_status(bundle):
    for unstated in with_status(LISTINGS, None):
        answer = bundle.predict_one(unstated)
        listed, sold = (
            bundle.predict_one(unstated._replace(status=status))["price"]
            for status in ("for_sale", "sold")
        )
        assert answer["prices"] == {"headline": "for_sale", "for_sale": listed, "sold": sold}
        assert answer["price"] == listed != sold
        assert answer["missing"][0] in ("brokered_by", "status")
        assert "status" in answer["missing"]
        assert explain(bundle, unstated).prices == answer["prices"]


@pytest.mark.parametrize("status", STATUSES)
def test_a_given_status_is_the_headline_and_the_only_price(bundle, status):
    for listing in with_status(LISTINGS, status):
        answer = bundle.predict_one(listing)
        assert answer["prices"] == {"headline": status, status: answer["price"]}


def test_a_table_prices_a_row_without_a_status_for_sale(bundle):
    unstated, listed = (
        bundle.predict(arrays_of(with_status(LISTINGS, status))) for status in (None, "for_sale")
    )
    np.testing.assert_array_equal(unstated.price, listed.price)


def test_a_bundle_of_an_older_release_knows_one_price(bundle):
    text, tables = to_files(bundle.encoders)
    assert from_files(text, tables).unstated == "for_sale"
    older = from_files(text.replace(b',"unstated":"for_sale"', b""), tables)
    assert older.unstated is None
    one = Bundle(bundle.manifest, older, bundle.engine)
    assert one.predict_one(Listing())["prices"] is None
    assert one.predict_one(Listing(status="sold"))["prices"]["headline"] == "sold"
