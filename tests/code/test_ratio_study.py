"""The ratio study: published and made cases with known answers, and what must always hold.

The IAAO's own tables are not reproduced: the Standard may not be copied into a repository. A worked
example of the Texas Comptroller, which is public, and cases whose answers follow from the formulas
take their place.
"""

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasador.errors import ConfigurationError
from tasador.listings.arrays import arrays_of
from tasador.listings.listing import Listing
from tasador.ratio_study import figures
from tasador.ratio_study.groups import DECILE, KNOWN, STATE, STATUS, TYPE, groups_of, parts_of
from tasador.ratio_study.limits import Limits, assess, beyond, read_limits
from tasador.ratio_study.noise import Noise, simulate
from tasador.ratio_study.page import html
from tasador.ratio_study.resampling import RESAMPLED, draw_weights, resample, weighted_quantile
from tasador.ratio_study.study import NAMES, point_figures, study
from tasador.ratio_study.words import LABELS, MEANINGS, detail_rows, notes

# Texas Comptroller, "Sample Calculation of Median Appraisal Ratio" and "for Coefficient of
# Dispersion", tables 5 and 6 of the Property Value Study: roll value and sale price or appraisal.
TEXAS = np.array(
    [
        (84_449, 84_995), (114_788, 118_898), (89_654, 94_715), (39_479, 41_925), (69_708, 76_117),
        (99_880, 113_310), (97_576, 110_741), (111_020, 128_048), (64_519, 75_905),
        (60_437, 70_964), (75_254, 90_720), (76_502, 91_680), (92_088, 113_645), (21_090, 25_988),
        (22_080, 27_398), (64_842, 81_127), (65_834, 83_113), (193_344, 245_700),
        (98_885, 127_493), (76_935, 98_327), (82_253, 109_250), (107_543, 148_828),
        (44_441, 62_370), (94_420, 135_610), (60_264, 86_303),
    ],
    dtype=float,
)  # fmt: skip


def market(rows=3_000, seed=0, spread=0.25, power=1.0):
    """(estimate, price, key): prices with errors around sound estimates, then estimate^power."""
    draw = np.random.default_rng(seed)
    sound = np.exp(draw.normal(12.6, 0.8, rows))
    price = sound * np.exp(spread * draw.standard_t(5, rows) / np.sqrt(5 / 3))
    middle = np.exp(12.6)
    return middle * (sound / middle) ** power, price, np.arange(rows).astype(str).astype(object)


# -- worked values --------------------------------------------------------------------------------


def test_texas_comptrollers_median_and_cod():
    # The published calculation rounds the ratios to two decimals.
    ratio = np.round(TEXAS[:, 0] / TEXAS[:, 1], 2)
    assert round(figures.median_ratio(ratio), 2) == 0.81
    assert round(figures.cod(ratio), 1) == 8.0


def test_prd_of_two_sales():
    # A $100,000 home at 120 % and a $300,000 one at 80 %: mean ratio 1, weighted mean .9.
    assert figures.prd(np.array([120e3, 240e3]), np.array([100e3, 300e3])) == pytest.approx(1 / 0.9)


@pytest.mark.parametrize("bias", [-0.12, -0.011, 0.0, 0.135])
def test_prb_recovers_a_planted_slope(bias):
    # With M = 1 and v = (price + estimate) / 2: ratio = 1 + bias log2(v / v0) is a line exactly.
    steps = np.linspace(-1.5, 1.5, 41)
    value = 250_000 * 2.0**steps
    ratio = 1 + bias * steps
    price = 2 * value / (1 + ratio)
    found = figures.prb(price * ratio, price)
    assert found.value == pytest.approx(bias, abs=1e-12)
    assert found.low == pytest.approx(bias, abs=1e-9) == found.high


def test_prb_interval_is_that_of_the_regression():
    estimate, price, _ = market(60, seed=4)
    ratio = estimate / price
    middle = np.median(ratio)
    value = np.log2(price / 2 + estimate / (2 * middle))
    design = np.column_stack([np.ones(60), value])
    found, rest, _, _ = np.linalg.lstsq(design, ratio / middle - 1, rcond=None)
    error = np.sqrt(rest[0] / 58 * np.linalg.inv(design.T @ design)[1, 1])
    # 2.001717 is the 97.5 % quantile of Student's t with 58 degrees of freedom.
    expected = (found[1], found[1] - 2.001717 * error, found[1] + 2.001717 * error)
    assert figures.prb(estimate, price) == pytest.approx(expected, rel=1e-6)


def test_mki_of_three_sales():
    # Prices 1, 2, 3: G = 2 (1 + 4 + 9) / (3 * 6) - 4 / 3 = 2 / 9. Estimates 2, 2, 2: G = 0.
    prices = np.array([1.0, 2.0, 3.0])
    assert figures.mki(np.full(3, 2.0), prices) == pytest.approx(0.0, abs=1e-12)
    # Estimates 1.5, 2, 2.5: 2 (1.5 + 4 + 7.5) / 18 - 4 / 3 = 1 / 9, half of the prices' index.
    assert figures.mki(np.array([1.5, 2.0, 2.5]), prices) == pytest.approx(0.5)


@pytest.mark.parametrize(("rows", "groups"), [(50, 2), (51, 4), (500, 4), (501, 10), (5_000, 10)])
def test_vei_compares_the_outer_groups(rows, groups):
    price = np.linspace(100_000, 900_000, rows)
    ratio = np.ones(rows)
    ratio[: rows // groups], ratio[-(rows // groups) :] = 1.1, 0.9
    found = figures.vei(price * ratio, price)
    assert found.value == pytest.approx(-20)
    assert found.apart == pytest.approx(20 if groups > 2 or rows > 2 else 0)


def test_median_interval_has_the_drafts_ranks():
    # n = 100, z = 1.645: ranks ceil(50 - 8.225) = 42 and floor(51 + 8.225) = 59.
    found = figures.median_interval(np.arange(1.0, 101.0), 0.90)
    assert found == (50.5, 42.0, 59.0)


def test_ppe_p15_and_fsd():
    price = np.full(10, 100.0)
    estimate = np.array([80.0, 84, 90, 95, 100, 105, 110, 115, 116, 130])
    assert [figures.ppe(estimate, price, x) for x in (0.05, 0.10, 0.20)] == [0.3, 0.5, 0.9]
    assert figures.p15(estimate, price) == (0.2, 0.2)
    errors = np.sort(np.abs(estimate - 100) / 100)
    assert figures.fsd(estimate, price) == pytest.approx(np.quantile(errors, 0.68))


def test_outliers_are_three_ranges_out():
    # Quartiles .9 and 1.1, so the bounds are .3 and 1.7.
    ratio = np.array([0.29, *np.repeat([0.9, 1.0, 1.1], 20), 1.71])
    assert np.flatnonzero(figures.outliers(ratio)).tolist() == [0, len(ratio) - 1]


def test_price_chasing_is_found_and_sound_estimates_are_not_suspected():
    estimate, price, _ = market(4_000, seed=1, spread=0.15)
    assert not figures.chasing(estimate / price).suspected
    # One estimate in ten is the price itself.
    chased = np.where(np.arange(len(price)) % 10 == 0, price, estimate)
    found = figures.chasing(chased / price)
    assert found.suspected
    assert found.jump_beyond_noise
    assert "jump" in study(chased, price, np.arange(4_000).astype(str), {}).overall.chasing


# -- what always holds ----------------------------------------------------------------------------


def sample_of(seed, rows, tied, spread):
    """(price, ratio): heavy tails; ``tied`` values are round, as listed prices are."""
    draw = np.random.default_rng(seed)
    price = np.exp(draw.normal(12.6, 1.0, rows))
    ratio = np.exp(spread * draw.standard_t(3, rows))
    if tied:
        price, ratio = np.round(price, -5) + 5e4, np.round(ratio, 1) + 0.1
    return price, ratio


SAMPLES = st.builds(
    sample_of,
    st.integers(0, 2**32),
    st.integers(30, 90),
    st.booleans(),
    st.sampled_from([0.0, 0.1, 0.4]),
)
SCALED = ("median", "cod", "prd", "prb", "mki", "vei")


@given(SAMPLES, st.floats(0.1, 10), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_figures_ignore_the_order_and_the_currency(sample, factor, random):
    price, ratio = sample
    estimate = price * ratio
    expected = point_figures(estimate, price)
    order = list(range(len(price)))
    random.shuffle(order)
    for found in (
        point_figures(estimate[order], price[order]),
        point_figures(estimate * factor, price * factor),
    ):
        for name in NAMES:
            assert found[name] == pytest.approx(expected[name], rel=1e-6, abs=1e-9, nan_ok=True)


@given(SAMPLES, st.floats(0.5, 2))
@settings(max_examples=60, deadline=None)
def test_level_does_not_change_uniformity_and_equity(sample, level):
    price, ratio = sample
    estimate = price * ratio
    expected, found = point_figures(estimate, price), point_figures(estimate * level, price)
    assert found["median"] == pytest.approx(expected["median"] * level)
    for name in SCALED[1:]:
        assert found[name] == pytest.approx(expected[name], rel=1e-6, abs=1e-9, nan_ok=True)


@given(SAMPLES, st.floats(0.5, 2))
@settings(max_examples=60, deadline=None)
def test_equal_ratios_have_no_spread_and_no_bias(sample, level):
    price, _ = sample
    found = point_figures(price * level, price)
    assert found["median"] == pytest.approx(level)
    ideal = {"cod": 0, "prd": 1, "prb": 0, "mki": 1, "vei": 0}
    assert {name: found[name] for name in ideal} == pytest.approx(ideal, abs=1e-6)


@given(SAMPLES, st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_weights_count_rows(sample, seed):
    price, ratio = sample
    estimate = price * ratio
    weights = np.random.default_rng(seed).poisson(1.0, (3, len(price))).astype(float)
    weights[:, 0] += 2
    found = resample(estimate, price, weights)
    assert list(found) == list(RESAMPLED)
    for number, counts in enumerate(weights.astype(int)):
        e, p = np.repeat(estimate, counts), np.repeat(price, counts)
        exact = {
            "median": figures.median_ratio(e / p),
            "cod": figures.cod(e / p),
            "prd": figures.prd(e, p),
            "prb": figures.prb(e, p).value,
            "mki": figures.mki(e, p),
        }
        for name, value in exact.items():
            if np.isfinite(value):
                assert found[name][number] == pytest.approx(value, rel=1e-6, abs=1e-7), name
        quantile = weighted_quantile(estimate, weights[number : number + 1], 0.68)[0]
        assert quantile == pytest.approx(np.quantile(e, 0.68))


# -- planted inequity, and noise ------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("power", [0.85, 1.2])
def test_planted_inequity_is_outside_and_named(power, seed):
    overall = study(*market(seed=seed, power=power), {}).overall
    for name in ("prb", "vei"):
        assert overall.figures[name].verdict == "outside"
    word = "regressive" if power < 1 else "progressive"
    verdicts = {row[0]: row[2] for row in detail_rows(overall)}
    assert verdicts["PRB"] == f"outside: {word}"


def test_noise_alone_is_no_inequity():
    outside = 0
    for seed in range(20):
        overall = study(*market(1_500, seed=seed, spread=0.3), {}, resamples=50).overall
        assert overall.figures["prb"].value < -0.01  # noise alone looks regressive
        outside += any(
            overall.figures[n].verdict == "outside" for n in ("prd", "prb", "mki", "vei")
        )
    assert outside <= 1


def test_noise_has_the_spread_of_each_band_and_no_trend():
    draw = np.random.default_rng(0)
    sound = np.exp(draw.normal(12.6, 0.8, 4_000))
    # Cheap homes have errors three times as large.
    error = np.where(sound < np.exp(12.2), 0.45, 0.15) * draw.normal(size=4_000)
    price = sound * np.exp(error)
    kept = ~figures.outliers(sound / price)
    noise = simulate(sound[kept], price[kept], np.arange(4_000)[kept], 60, draw)
    found = point_figures(sound, price)
    for name, slack in {"prd": 0.02, "prb": 0.02, "mki": 0.02, "vei": 3}.items():
        assert abs(found[name] - noise[name].mean) < slack


def test_bootstrap_keeps_properties_together():
    key = np.array(["a", "b", "a", "c", "b"], dtype=object)
    weights = draw_weights(key, 200, np.random.default_rng(0))
    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[:, 1] == weights[:, 4]).all()
    assert weights.sum(axis=1).min() > 0


def test_intervals_hold_the_truth_of_a_large_market():
    whole = point_figures(*market(50_000, seed=9)[:2])
    held = dict.fromkeys(whole, 0)
    for seed in range(30):
        overall = study(*market(300, seed=100 + seed), {}, resamples=100, draws=2).overall
        for name, found in overall.figures.items():
            held[name] += found.low <= whole[name] <= found.high
    # 95 % of 30 is 28.5.
    assert min(held.values()) >= 23, held


def test_limits_are_those_of_the_standard_unless_a_setting_replaces_them():
    assert read_limits("") == Limits()
    limits = read_limits("cod:5:20, prb:-0.08:0.08,")
    assert (limits.cod, limits.prb, limits.median) == ((5, 20), (-0.08, 0.08), Limits().median)


@pytest.mark.parametrize(
    "text",
    ["cod", "cod:5", "cod:5:x", "cod:20:5", "cod:5:nan", "r2:0:1", "cod:1:2:3", "cod:1:2,cod:1:3"],
)
def test_limits_that_cannot_be_read_are_named(text):
    with pytest.raises(ConfigurationError, match=r"TASADOR_RATIO_LIMITS has '.*such as cod:5:20"):
        read_limits(text)


def test_assess():
    limits = Limits()
    assert assess("prb", -0.04, limits.prb) == "within"
    assert assess("prb", -0.06, limits.prb, noise=Noise(-0.05, 0.001)) == "noise"
    assert assess("prb", -0.12, limits.prb, noise=Noise(-0.05, 0.04)) == "noise"
    # Between the limit and what noise gives.
    assert assess("prb", -0.06, limits.prb, noise=Noise(-0.13, 0.001)) == "noise"
    assert assess("prb", 0.06, limits.prb, noise=Noise(-0.13, 0.001)) == "outside"
    assert assess("prb", float("nan"), limits.prb, noise=Noise(-0.13, 0.001)) == "outside"
    assert assess("prb", -0.12, limits.prb, noise=Noise(-0.05, 0.01)) == "outside"
    assert assess("median", 1.12, limits.median, ends=(1.09, 1.15)) == "noise"
    assert assess("median", 1.12, limits.median, ends=(1.11, 1.13)) == "outside"
    assert assess("prb", float("nan"), limits.prb) == "outside"
    assert limits.of("cod", land=True) == (5, 25)
    assert limits.of("ppe_10") is None
    assert beyond(0.8, (0.9, 1.1)) == pytest.approx(-0.1)


# -- groups and the whole study -------------------------------------------------------------------

LISTINGS = [
    Listing(status="sold", state="Texas", bed=3, bath=2, house_size=1500, acre_lot=0.2,
            zip_code="77084"),
    Listing(status="for_sale", state="Ohio", acre_lot=2.0),
    Listing(bed=2, bath=1, house_size=900),
]  # fmt: skip


def test_parts_of_listings():
    parts = parts_of(arrays_of(LISTINGS))
    assert parts[STATUS].tolist() == ["sold", "for_sale", "no status given"]
    assert parts[STATE].tolist() == ["Texas", "Ohio", "no state given"]
    assert parts[TYPE].tolist() == ["house", "land", "house"]
    assert parts[KNOWN].tolist() == ["nothing missing", "house size missing", "something missing"]


def test_tenths_are_of_the_estimate():
    estimate, price, _ = market(100)
    tenths = [rows for kind, _, rows in groups_of(estimate, {}) if kind == DECILE]
    assert [len(rows) for rows in tenths] == [10] * 10
    for lower, upper in pairwise(tenths):
        assert estimate[lower].max() <= estimate[upper].min()
        assert price[lower].max() > price[upper].min()


@pytest.fixture(scope="module")
def parted():
    estimate, price, key = market(600)
    status = np.where(np.arange(600) % 3 == 0, "sold", "for_sale").astype(object)
    state = np.where(np.arange(600) < 580, "Texas", "Ohio").astype(object)
    return (estimate, price, key), {STATUS: status, STATE: state}


def test_study_covers_every_group_and_says_which_are_too_small(parted):
    rows, parts = parted
    made = study(*rows, parts, resamples=50, draws=20)
    by_name = {group.name: group for group in made.groups}
    assert by_name["sold"].rows == 200
    assert by_name["Ohio"].figures == {}
    assert sum(group.kind == DECILE for group in made.groups) == 10
    tenth = next(group for group in made.groups if group.kind == DECILE)
    assert set(tenth.figures) == set(NAMES) - {"prd", "prb", "mki", "vei"}
    assert set(made.overall.figures) == set(NAMES) == set(LABELS) == set(MEANINGS)
    assert any("Ohio (20)" in note for note in notes(made))
    assert sum(made.histogram) == 600
    assert len(made.histogram) == 52
    text = json.dumps(made.as_dict(), allow_nan=False)
    assert json.loads(text)["overall"]["rows"] == 600
    kinds = {group["kind"] for group in made.summary()["groups"]}
    assert kinds == {"all rows", STATUS, STATE}


def test_study_ignores_the_order_of_the_rows(parted):
    (estimate, price, key), parts = parted
    order = np.random.default_rng(5).permutation(len(price))
    shuffled = {kind: names[order] for kind, names in parts.items()}
    first = study(estimate, price, key, parts, resamples=50, draws=20).as_dict()
    again = study(estimate[order], price[order], key[order], shuffled, resamples=50, draws=20)
    assert again.as_dict() == first


@pytest.mark.parametrize("rows", [1, 29])
def test_small_studies_have_no_figures(rows):
    estimate, price, key = market(rows)
    made = study(estimate, price, key, {})
    assert made.overall.figures == {}
    assert "fewer than 30 rows" in html(made, "Small", {})


@pytest.mark.parametrize(
    ("estimate", "price", "message"),
    [
        ([], [], "at least one row"),
        ([1.0, 0.0], [1.0, 1.0], "every estimate"),
        ([1.0], [-1.0], "every price"),
        ([1.0], [float("nan")], "every price"),
    ],
)
def test_study_refuses_what_has_no_ratio(estimate, price, message):
    with pytest.raises(ValueError, match=message):
        study(np.array(estimate), np.array(price), np.array(["a"] * len(price)), {})


def test_constant_prices_give_undefined_figures_instead_of_errors():
    price = np.full(60, 250_000.0)
    made = study(price.copy(), price, np.arange(60).astype(str), {}, resamples=20, draws=20)
    assert made.overall.figures["cod"].value == 0
    assert np.isnan(made.overall.figures["mki"].value)
    assert "undefined" in html(made, "Constant", {})
    json.dumps(made.as_dict(), allow_nan=False)


def test_page_is_one_file_and_escapes_names(parted):
    rows, parts = parted
    parts = {**parts, STATE: np.where(parts[STATE] == "Texas", "<b>Texas", "Ohio").astype(object)}
    page = html(study(*rows, parts, resamples=20, draws=20), "A & B", {"digest": "<x>"})
    assert "<b>Texas" not in page
    assert "&lt;b&gt;Texas" in page
    assert "A &amp; B" in page
    assert page.count("<svg") == 3
    assert not any(text in page for text in ("http://", "https://", "src=", "@import", "url("))
