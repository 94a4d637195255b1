"""What is learnt from a reference: how far batches of one market stray when they cluster."""

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import ks_2samp

from tasador.drift import resampling as draws
from tasador.drift.baseline import Baseline, Clustering, learn
from tasador.drift.detectors import Detectors, usual_of
from tasador.drift.measures import DriftError
from tasador.drift.reference import make_reference
from tasador.drift.thresholds import Thresholds
from tasador.listings.listing import read_row
from tasador.listings.table import frame_of
from tasador.source.simulator import generate


@pytest.fixture(scope="module")
def reference() -> pd.DataFrame:
    read = (read_row(row) for row in generate(3, "steady", 0, 4_000))
    frame = frame_of([listing for listing, problems in read if not problems])
    noise = np.random.default_rng(0).normal(0, 0.2, len(frame))
    return make_reference(frame, frame["price"].to_numpy() * np.exp(noise))


@pytest.fixture(scope="module")
def baseline(reference) -> Baseline:
    return learn(reference)


def test_it_is_the_same_for_a_seed_and_survives_its_file(reference, baseline):
    assert learn(reference) == baseline
    assert learn(reference, seed=1) != baseline
    assert Baseline.from_json(baseline.as_json()) == baseline


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"rows": "many"}', b"\xff"])
def test_a_damaged_file_is_refused(text):
    with pytest.raises(DriftError, match="baseline cannot be read"):
        Baseline.from_json(text)


def test_every_limit_has_a_clustering(baseline):
    finding = {key.partition("/")[0] for key in baseline.clustering}
    assert finding == {"distribution", "mix", "missing", "price_level", "error", "structure"}
    for name, clustering in baseline.clustering.items():
        assert 1 <= clustering.widen <= 4, name
        assert 0 <= clustering.between < 0.5, name
    assert baseline.of("distribution", "no such column") == Clustering()


def test_what_brokers_bring_together_is_seen(reference, baseline):
    # A simulated broker works in one region: states cluster by it. Its offers are else like any.
    assert baseline.of("mix", "state").widen > 1.5
    assert baseline.of("distribution", "bed").widen < 1.5
    shuffled = reference.assign(
        brokered_by=reference["brokered_by"].sample(frac=1, random_state=0).to_numpy()
    )
    assert learn(shuffled).of("mix", "state").widen < baseline.of("mix", "state").widen


def test_a_month_with_other_prices_is_allowed_for(reference, baseline):
    december = reference["prev_sold_date"].astype("str").str.startswith("2021-12")
    seasonal = reference.copy()
    seasonal.loc[december & (reference["status"] == "sold"), "price"] *= 1.5
    found = learn(seasonal).of("distribution", "price")
    assert found.between > baseline.of("distribution", "price").between + 0.02


def test_a_reference_without_brokers_or_sales_has_no_clusters(reference):
    bare = reference.assign(brokered_by=None, prev_sold_date=None)
    found = learn(bare)
    assert found.brokers == {}
    assert found.brokers_gain(3_000) == 0
    assert all(clustering.between == 0 for clustering in found.clustering.values())


def test_whole_brokers_gain_less_in_larger_batches(baseline):
    assert baseline.brokers_gain(100) > baseline.brokers_gain(300) > baseline.brokers_gain(1_000)
    assert baseline.brokers_gain(10**9) == min(baseline.brokers.values())
    assert baseline.brokers_gain(300) >= baseline.brokers_gain(500) >= baseline.brokers_gain(1_000)


def test_clustering_widens_limits_and_never_narrows_them():
    limits = Thresholds()
    wide, between = Clustering(widen=2.0), Clustering(between=0.3)
    assert limits.kolmogorov_smirnov(100, 5_000, wide) > limits.kolmogorov_smirnov(100, 5_000)
    assert limits.kolmogorov_smirnov(30_000, 20_000, wide) == 0.10
    assert limits.kolmogorov_smirnov(30_000, 20_000, between) == pytest.approx(0.3, abs=0.01)
    assert limits.jensen_shannon(3_000, 5_000, 40, wide) > limits.jensen_shannon(3_000, 5_000, 40)
    assert limits.share(0.08, 0.25, 100, 5_000, wide) > limits.share(0.08, 0.25, 100, 5_000)
    assert limits.shift(0.05, 0.3, 100, 5_000, between) > 0.3


def test_a_draw_holds_whole_clusters():
    clusters = np.repeat(np.arange(50), 4)
    for again in (True, False):
        weights = draws.by_cluster(np.random.default_rng(0), clusters, 30, 20, again=again)
        assert weights.shape == (20, 200)
        by_cluster = weights.reshape(20, 50, 4)
        assert (by_cluster == by_cluster[:, :, :1]).all()
        assert set(weights.sum(axis=1)) == {32.0}
    assert weights.max() == 1  # no cluster twice


def test_strays_are_what_scipy_measures(reference):
    values = np.log1p(reference["house_size"].to_numpy(dtype=float))
    codes = pd.factorize(reference["state"])[0]
    picked = np.random.default_rng(1).integers(0, len(reference), 900)
    weights = np.bincount(picked, minlength=len(reference)).astype(np.float32)[np.newaxis]
    here, there = values[picked], values[np.isfinite(values)]
    here = here[np.isfinite(here)]
    (ks,) = draws.distribution_strays(values, weights)
    assert ks == pytest.approx(ks_2samp(here, there).statistic, abs=1e-5)
    (median,) = draws.median_strays(values, weights)
    assert median == pytest.approx(abs(np.median(here) - np.median(there)), abs=0.01)
    (mean,) = draws.mean_strays(values, weights)
    assert mean == pytest.approx(abs(here.mean() - there.mean()), abs=1e-4)
    shares = [np.bincount(c[c >= 0], minlength=codes.max() + 1) for c in (codes[picked], codes)]
    (js,) = draws.mix_strays(codes, weights)
    assert js == pytest.approx(jensenshannon(*shares, base=2), abs=1e-5)


def test_reconstruction_errors_are_nannymls(reference):
    known = Detectors(reference)
    columns = ("price", "house_size", "acre_lot", "bed", "bath", "status", "state")
    result = known.reconstruction(known.measured.head(500), columns)
    errors = draws.reconstruction_errors(known.measured, list(columns))
    assert errors.mean() == pytest.approx(usual_of(result, "reconstruction_error"), rel=0.01)
