"""The drift baseline: how far clustered batches of one market deviate."""

import numpy as np
import pandas as pd
import pytest

from tasador.drift import resampling
from tasador.drift.baseline import Baseline, Clustering, learn_baseline
from tasador.drift.detectors import Detectors, reference_mean
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
    return learn_baseline(reference)


def test_baseline_is_deterministic_and_round_trips_through_json(reference, baseline):
    assert learn_baseline(reference) == baseline
    assert learn_baseline(reference, seed=1) != baseline
    assert Baseline.from_json(baseline.as_json()) == baseline


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"rows": "many"}', b"\xff"])
def test_damaged_baseline_is_refused(text):
    with pytest.raises(DriftError, match="baseline cannot be read"):
        Baseline.from_json(text)


def test_every_check_has_a_clustering(baseline):
    finding = {key.partition("/")[0] for key in baseline.clustering}
    assert finding == {"distribution", "mix", "missing", "price_level", "error", "structure"}
    for name, clustering in baseline.clustering.items():
        assert 1 <= clustering.widen <= 4, name
        assert 0 <= clustering.between < 0.5, name
    assert baseline.of("distribution", "no such column") == Clustering()


def test_clustering_by_broker_widens_the_state_mix(reference, baseline):
    # A simulated broker works in one region, so states cluster by broker. Nothing else does.
    assert baseline.of("mix", "state").widen > 1.5
    assert baseline.of("distribution", "bed").widen < 1.5
    shuffled = reference.assign(
        brokered_by=reference["brokered_by"].sample(frac=1, random_state=0).to_numpy()
    )
    assert learn_baseline(shuffled).of("mix", "state").widen < baseline.of("mix", "state").widen


def test_month_with_other_prices_raises_between(reference, baseline):
    december = reference["prev_sold_date"].astype("str").str.startswith("2021-12")
    seasonal = reference.copy()
    seasonal.loc[december & (reference["status"] == "sold"), "price"] *= 1.5
    learned = learn_baseline(seasonal).of("distribution", "price")
    assert learned.between > baseline.of("distribution", "price").between + 0.02


def test_reference_without_brokers_or_sales_has_no_clustering(reference):
    bare = reference.assign(brokered_by=None, prev_sold_date=None)
    learned = learn_baseline(bare)
    assert learned.brokers == {}
    assert learned.brokers_gain(3_000) == 0
    assert all(clustering.between == 0 for clustering in learned.clustering.values())


def test_brokers_gain_shrinks_with_batch_size(baseline):
    assert baseline.brokers_gain(100) > baseline.brokers_gain(300) > baseline.brokers_gain(1_000)
    assert baseline.brokers_gain(10**9) == min(baseline.brokers.values())
    assert baseline.brokers_gain(300) >= baseline.brokers_gain(500) >= baseline.brokers_gain(1_000)


def test_clustering_widens_limits():
    limits = Thresholds()
    wide, between = Clustering(widen=2.0), Clustering(between=0.3)
    assert limits.kolmogorov_smirnov(100, 5_000, wide) > limits.kolmogorov_smirnov(100, 5_000)
    assert limits.kolmogorov_smirnov(30_000, 20_000, wide) == 0.10
    assert limits.kolmogorov_smirnov(30_000, 20_000, between) == pytest.approx(0.3, abs=0.01)
    assert limits.jensen_shannon(3_000, 5_000, 40, wide) > limits.jensen_shannon(3_000, 5_000, 40)
    assert limits.share(0.08, 0.25, 100, 5_000, wide) > limits.share(0.08, 0.25, 100, 5_000)
    assert limits.shift(0.05, 0.3, 100, 5_000, between) > 0.3


def test_by_cluster_draws_whole_clusters():
    clusters = np.repeat(np.arange(50), 4)
    for again in (True, False):
        weights = resampling.by_cluster(np.random.default_rng(0), clusters, 30, 20, again=again)
        assert weights.shape == (20, 200)
        by_cluster = weights.reshape(20, 50, 4)
        assert (by_cluster == by_cluster[:, :, :1]).all()
        assert set(weights.sum(axis=1)) == {32.0}
    assert weights.max() == 1  # no cluster twice


def test_deviations_equal_scipy(reference):
    from scipy.spatial.distance import jensenshannon  # imported for seconds
    from scipy.stats import ks_2samp

    values = np.log1p(reference["house_size"].to_numpy(dtype=float))
    codes = pd.factorize(reference["state"])[0]
    picked = np.random.default_rng(1).integers(0, len(reference), 900)
    weights = np.bincount(picked, minlength=len(reference)).astype(np.float32)[np.newaxis]
    current, usual = values[picked], values[np.isfinite(values)]
    current = current[np.isfinite(current)]
    (ks,) = resampling.distribution_deviations(values, weights)
    assert ks == pytest.approx(ks_2samp(current, usual).statistic, abs=1e-5)
    (median,) = resampling.median_deviations(values, weights)
    assert median == pytest.approx(abs(np.median(current) - np.median(usual)), abs=0.01)
    (mean,) = resampling.mean_deviations(values, weights)
    assert mean == pytest.approx(abs(current.mean() - usual.mean()), abs=1e-4)
    shares = [np.bincount(c[c >= 0], minlength=codes.max() + 1) for c in (codes[picked], codes)]
    (js,) = resampling.mix_deviations(codes, weights)
    assert js == pytest.approx(jensenshannon(*shares, base=2), abs=1e-5)


def test_reconstruction_errors_equal_nannyml(reference):
    detectors = Detectors(reference)
    columns = ("price", "house_size", "acre_lot", "bed", "bath", "status", "state")
    result = detectors.reconstruction(detectors.measured.head(500), columns)
    errors = resampling.reconstruction_errors(detectors.measured, list(columns))
    assert errors.mean() == pytest.approx(reference_mean(result, "reconstruction_error"), rel=0.01)
