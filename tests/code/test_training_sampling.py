"""A sample of the properties for a training."""

from itertools import pairwise

import pytest

from tasador.errors import ConfigurationError
from tasador.settings import Settings
from tasador.training.sampling import sampled, share_of
from tasador.training.splits import prepare
from tests.kit.listings import simulated_frame


@pytest.mark.parametrize(
    ("rows", "most", "share"), [(0, 0, 1), (10, 0, 1), (10, 20, 1), (1_000, 250, 0.25)]
)
def test_share_of_the_properties_for_a_number_of_rows(rows, most, share):
    assert share_of(rows, most) == share


def test_sample_has_whole_properties_and_a_larger_one_contains_it():
    frame = simulated_frame(4_000)
    masks = [sampled(frame, share) for share in (0.1, 0.4, 1.0)]
    assert masks[2].all()
    for smaller, larger in pairwise(masks):
        assert (larger | ~smaller).all()
        inside, outside = (set(frame["property_key"][mask]) for mask in (smaller, ~smaller))
        assert not inside & outside
    assert masks[1].mean() == pytest.approx(0.4, abs=0.05)
    # Independent of the holdout: the sample has its part of it.
    assert frame["holdout"][masks[1]].mean() == pytest.approx(frame["holdout"].mean(), abs=0.05)
    # Independent of the order and of the other rows.
    shuffled = frame.sample(frac=0.5, random_state=1)
    assert (sampled(shuffled, 0.4) == masks[1][shuffled.index]).all()


def test_manifest_records_the_share_of_a_sample_only():
    frame = simulated_frame(1_500)
    assert "share_of_properties" not in prepare(frame).data
    sample = frame[sampled(frame, 0.5)]
    assert prepare(sample, share=0.5).data["share_of_properties"] == 0.5


def test_setting_for_a_number_of_rows(tmp_path):
    def loaded(text):
        environ = {"TASADOR_HOME": str(tmp_path), "TASADOR_TRAINING_ROWS": text}
        return Settings.load(environ).training_rows

    assert loaded("2000000") == 2_000_000
    with pytest.raises(ConfigurationError, match="_ROWS is 999; at least 1,000 are needed"):
        loaded("999")
    with pytest.raises(ConfigurationError, match="from 0 to 999,999,999"):
        loaded("1e6")
