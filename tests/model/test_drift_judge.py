"""Drift against the simulator's known truth: detected, named correctly, silent without a change."""

import json
import re
import warnings
from functools import cache

import numpy as np
import pandas as pd
import pytest

from tasador.drift.baseline import Baseline, learn_baseline
from tasador.drift.checks import Finding
from tasador.drift.judge import Judge, judge_batch, judge_requests
from tasador.drift.measures import DriftError
from tasador.drift.plots import page
from tasador.drift.reference import make_reference
from tasador.listings.listing import INPUTS, read_row
from tasador.listings.table import columns_of, frame_of
from tasador.model.bundle import Bundle, Predictions
from tasador.source.simulator import generate

SEED = 3  # the market that the champion was trained on


def batch_of(scenario: str, number: int, rows: int = 3_000) -> pd.DataFrame:
    """The clean rows of a simulated batch, as ingest reads them."""
    return _batch(scenario, number, rows).copy()


@cache
def _batch(scenario: str, number: int, rows: int) -> pd.DataFrame:
    read = (read_row(row) for row in generate(SEED, scenario, number, rows))
    return frame_of([listing for listing, problems in read if not problems])


@pytest.fixture(scope="module")
def champion_and_reference(trained: Bundle, market: pd.DataFrame) -> tuple[Bundle, pd.DataFrame]:
    """A champion, and its reference as the train flow writes it."""
    held = market["holdout"].to_numpy()
    out_of_sample = np.full(len(market), np.nan)
    out_of_sample[held] = trained.predict(columns_of(market[held])).price
    return trained, make_reference(market, out_of_sample)


@pytest.fixture(scope="module")
def judge(champion_and_reference) -> Judge:
    """A judge fitted on that reference once, for all batches."""
    return Judge(champion_and_reference[1])


def exceeded(findings: list[Finding]) -> set[tuple[str, str]]:
    return {(finding.name, finding.column) for finding in findings if finding.exceeded}


@pytest.mark.parametrize("number", range(1, 6))
def test_no_drift_in_the_same_market(champion_and_reference, judge, number):
    champion, _ = champion_and_reference
    report = judge.batch(batch_of("steady", number), champion)
    assert report.verdict == "no_drift", report.reasons
    assert not report.moved
    assert not report.hurts
    assert "nothing moved beyond its limit" in report.reasons[0]


def test_no_drift_in_the_reference_itself(champion_and_reference, judge):
    champion, reference = champion_and_reference
    report = judge.batch(reference.drop(columns="predicted"), champion)
    assert report.verdict == "no_drift", report.reasons
    assert report.scores["univariate"]["state"]["value"] == 0


def test_price_shift_is_detected_with_its_size(champion_and_reference, judge):
    champion, _ = champion_and_reference
    report = judge.batch(batch_of("price-shift", 2), champion)
    assert report.verdict == "drift"
    assert report.hurts
    level = next(f for f in report.findings if f.name == "price_level")
    assert level.value == pytest.approx(np.log(1.25), abs=0.04)
    assert "above what the champion expects" in report.reasons[0]
    assert not {name for name, _ in exceeded(report.findings)} & {"unit", "unseen", "missing"}


@pytest.mark.parametrize(("factor", "side"), [(1.1, "above"), (0.9, "below")])
def test_price_shift_of_ten_percent_is_detected(champion_and_reference, judge, factor, side):
    champion, _ = champion_and_reference
    batch = batch_of("steady", 1)
    batch["price"] *= factor
    report = judge.batch(batch, champion)
    assert report.verdict == "drift"
    assert f"{side} what the champion expects" in report.reasons[0]


def test_new_states_are_named_in_the_reasons(champion_and_reference, judge):
    champion, reference = champion_and_reference
    batch = batch_of("new-states", 3)
    report = judge.batch(batch, champion)
    assert report.verdict == "drift"
    assert ("unseen", "state") in exceeded(report.findings)
    new = set(batch["state"].dropna()) - set(reference["state"].dropna())
    assert any(state in report.reasons[0] for state in new)
    assert set(report.scores["quality"]["unseen"]["state"]["new"]) == new


def test_mix_change_is_detected_as_smaller_houses(champion_and_reference, judge):
    champion, _ = champion_and_reference
    report = judge.batch(batch_of("mix-change", 2), champion)
    assert report.verdict == "drift"
    assert report.moved
    assert ("distribution", "house_size") in exceeded(report.findings)


def test_unit_square_metres_is_named(champion_and_reference, judge):
    champion, _ = champion_and_reference
    batch = batch_of("broken-schema", 2)
    report = judge.batch(batch, champion)
    # All sizes in another unit are the source's doing, not the market's.
    assert report.verdict == "broken_feed"
    assert report.scores["broken_fields"] == ["house_size"]
    assert report.reasons[0].startswith("house_size looks like square metres")
    accepted = judge.batch(batch, champion, accepted=True)
    assert accepted.verdict == "drift"
    assert accepted.reasons[0] == report.reasons[0]


def test_unit_square_metres_in_some_listings_is_named_with_its_share(champion_and_reference, judge):
    champion, _ = champion_and_reference
    batch = batch_of("steady", 1)
    broken = np.random.default_rng(0).random(len(batch)) < 0.3
    batch["house_size"] = batch["house_size"].where(~broken, batch["house_size"] / 10.7639)
    report = judge.batch(batch, champion)
    match = re.match(r"house_size looks like square metres in (\d+)% of the", report.reasons[0])
    assert match, report.reasons
    assert report.verdict == "drift"
    assert int(match[1]) == pytest.approx(30, abs=3)


def test_unit_cents_is_named(champion_and_reference, judge):
    champion, _ = champion_and_reference
    batch = batch_of("steady", 1)
    batch["price"] *= 100
    report = judge.batch(batch, champion)
    assert report.reasons[0].startswith("price looks like cents")


@pytest.mark.parametrize("field", ["house_size", "state", "prev_sold_date"])
def test_missing_field_is_named(champion_and_reference, judge, field):
    champion, _ = champion_and_reference
    batch = batch_of("steady", 1)
    lost = np.random.default_rng(0).random(len(batch)) < 0.2
    batch[field] = batch[field].where(~lost)
    report = judge.batch(batch, champion)
    assert report.verdict == "drift"
    assert ("missing", field) in exceeded(report.findings)
    assert any(reason.startswith(f"{field} is missing in") for reason in report.reasons)


@pytest.mark.parametrize("field", INPUTS)
def test_lost_field_is_a_broken_feed_until_it_is_accepted(champion_and_reference, judge, field):
    champion, _ = champion_and_reference
    batch = batch_of("steady", 1).assign(**{field: None})
    report = judge.batch(batch, champion)
    assert report.verdict == "broken_feed"
    assert (report.moved, report.hurts) == (False, False)
    assert report.scores["broken_fields"] == [field]
    assert report.reasons[0].startswith(f"{field} is missing in 100% of the listings")
    accepted = judge.batch(batch, champion, accepted=True)
    assert accepted.verdict == "drift"
    assert any(reason.startswith(f"{field} is missing in 100%") for reason in accepted.reasons)


@pytest.mark.parametrize(
    ("spoil", "fields", "message"),
    [
        (lambda rows: {"acre_lot": rows["acre_lot"] * 0.404686}, ["acre_lot"], "looks like hect"),
        (lambda _: {"acre_lot": 0.0, "bed": 0.0}, ["acre_lot", "bed"], "is 0 in 100% of the list"),
        (
            lambda rows: {"city": rows["state"], "state": rows["city"]},
            ["state"],
            "is not a state (",
        ),
        (lambda rows: {"price": rows["price"] / 100}, ["price"], "of the prices lie outside the"),
    ],
)
def test_what_no_market_has_trains_nothing(champion_and_reference, judge, spoil, fields, message):
    champion, _ = champion_and_reference
    rows = batch_of("steady", 1)
    spoilt = rows.assign(**spoil(rows))
    report = judge.batch(spoilt, champion)
    assert report.verdict == "broken_feed", report.reasons
    assert sorted(report.scores["broken_fields"]) == fields
    assert message in report.reasons[0]
    assert judge.batch(spoilt, champion, accepted=True).verdict == "drift"


def test_lost_rooms_and_sizes_are_a_broken_feed_and_land_is_not(champion_and_reference, judge):
    champion, _ = champion_and_reference
    batch = batch_of("steady", 1)
    rooms = ["bed", "bath", "house_size"]
    report = judge.batch(batch.assign(**dict.fromkeys(rooms, np.nan)), champion)
    assert report.verdict == "broken_feed"
    assert sorted(report.scores["broken_fields"]) == sorted(rooms)
    market = pd.concat([batch_of("steady", n) for n in (1, 2, 3)], ignore_index=True)
    land = market[market[rooms].isna().all(axis=1)]
    assert judge.batch(land, champion).verdict == "drift"


def test_sold_rows_only_are_another_mix_of_statuses(champion_and_reference, judge):
    champion, _ = champion_and_reference
    market = pd.concat([batch_of("steady", n) for n in (1, 2, 3)], ignore_index=True)
    report = judge.batch(market[market["status"] == "sold"], champion)
    assert report.verdict == "drift"
    assert report.reasons[0].startswith("the mix of status changed")
    assert not any(reason.startswith("prev_sold_date is missing") for reason in report.reasons)


def test_estimated_error_tracks_realised_error(trained):
    known = batch_of("steady", 1, rows=6_000)
    reference = make_reference(known, trained.predict(columns_of(known)).price)
    batch = batch_of("steady", 2)
    scores = judge_batch(batch, reference, trained).scores["performance"]
    usual = scores["estimated_error_reference"]
    assert usual == pytest.approx(scores["realised_error_reference"], rel=0.02)
    assert scores["estimated_error"] == pytest.approx(scores["realised_error"], rel=0.1)
    # The champion's error is largest on land, which has neither house nor rooms.
    land = batch[batch["house_size"].isna() & batch["bed"].isna()]
    report = judge_batch(land, reference, trained)
    assert ("estimated_error", "") in exceeded(report.findings)
    scores = report.scores["performance"]
    assert scores["estimated_error"] == pytest.approx(scores["realised_error"], rel=0.15)


def test_no_false_alarms_between_random_halves(trained):
    whole = pd.concat([batch_of("steady", n) for n in range(1, 6)], ignore_index=True)
    keys = whole["property_key"].unique()
    price = trained.predict(columns_of(whole)).price
    alarms = []
    tries = 30
    for seed in range(tries):
        rng = np.random.default_rng(seed)
        # Split by property, as training does: repeated offers are not independent.
        halves = whole["property_key"].isin(rng.permutation(keys)[: len(keys) // 2]).to_numpy()
        reference = make_reference(whole[halves], price[halves], rows=2_500, seed=seed)
        batch = whole[~halves].sample(2_500, random_state=seed)
        report = judge_batch(batch, reference, trained)
        if report.verdict == "drift":
            alarms.append(report.reasons[0])
    assert len(alarms) <= 0.05 * tries, alarms


@pytest.mark.parametrize("rows", [100, 174, 400])
def test_no_false_alarms_on_small_samples(champion_and_reference, judge, rows):
    champion, _ = champion_and_reference
    batch = batch_of("steady", 1)
    reports = [judge.batch(batch.sample(rows, random_state=seed), champion) for seed in range(5)]
    assert [report.reasons for report in reports if report.verdict != "no_drift"] == []


@pytest.mark.parametrize("rows", [1, 17, 99])
def test_batch_with_too_few_rows_is_not_judged(champion_and_reference, judge, rows):
    champion, _ = champion_and_reference
    report = judge.batch(batch_of("steady", 1).head(rows), champion)
    assert report.verdict == "no_drift"
    assert report.reasons == [
        f"only {rows} rows: too few to tell a change from chance (fewer than 100)"
    ]


def test_large_shift_in_a_small_batch_is_detected(champion_and_reference, judge):
    champion, _ = champion_and_reference
    report = judge.batch(batch_of("price-shift", 2).head(174), champion)
    assert report.verdict == "drift"
    assert "above what the champion expects" in report.reasons[0]


# Clustered batches of the same market, and brokers that dominate a batch.


def broker_shares(frame: pd.DataFrame) -> pd.Series:
    return frame["brokered_by"].value_counts(normalize=True)


@pytest.mark.parametrize("seed", range(3))
def test_no_drift_in_a_batch_of_whole_brokers(champion_and_reference, judge, seed):
    champion, _ = champion_and_reference
    market = pd.concat([batch_of("steady", n, 6_000) for n in (1, 2)], ignore_index=True)
    brokers = np.random.default_rng(seed).permutation(market["brokered_by"].dropna().unique())
    place = market["brokered_by"].map({name: rank for rank, name in enumerate(brokers)})
    batch = market.iloc[np.argsort(place.to_numpy(na_value=np.inf), kind="stable")[:3_000]]
    assert batch["brokered_by"].nunique() < 0.4 * len(brokers)
    report = judge.batch(batch, champion)
    assert report.verdict == "no_drift", report.reasons


@pytest.mark.parametrize("month", ["2021-12", "2022-03"])
def test_no_drift_in_sales_of_a_single_month(champion_and_reference, judge, month):
    champion, _ = champion_and_reference
    market = pd.concat([batch_of("steady", n, 6_000) for n in (1, 2, 3)], ignore_index=True)
    sold = market["status"] == "sold"
    sales = market[sold & (market["prev_sold_date"].astype("str").str[:7] == month)]
    share = len(sales) / sold.mean()
    others = market[~sold].sample(round(share * (1 - sold.mean())), random_state=0)
    report = judge.batch(pd.concat([sales, others], ignore_index=True), champion)
    assert report.verdict == "no_drift", report.reasons


def test_dominating_brokers_are_named(champion_and_reference, judge):
    champion, reference = champion_and_reference
    market = pd.concat([batch_of("steady", n, 6_000) for n in (1, 2, 3)], ignore_index=True)
    largest = market["brokered_by"].value_counts().index[:10]
    theirs = market[market["brokered_by"].isin(largest)].head(1_500)
    assert len(theirs) > 1_000
    others = market[~market["brokered_by"].isin(largest)].sample(len(theirs), random_state=0)
    report = judge.batch(pd.concat([theirs, others], ignore_index=True), champion)
    assert report.moved
    assert report.exceeded[0].name == "brokers"
    assert report.reasons[0].startswith("the mix of brokers changed: 10 brokers have 5")
    most = report.scores["quality"]["brokers"]["most"]
    assert set(most) == set(largest)
    usual = broker_shares(reference)
    gained = sum(share - usual.get(name, 0.0) for name, share in most.items())
    assert report.exceeded[0].value == pytest.approx(gained, abs=1e-9)


def test_more_cheap_houses_move_but_do_not_hurt(champion_and_reference, judge):
    champion, _ = champion_and_reference
    market = pd.concat([batch_of("steady", n, 6_000) for n in (1, 2)], ignore_index=True)
    price = champion.predict(columns_of(market)).price
    house = market["house_size"].notna() & (price < np.quantile(price, 0.4))
    cheap, others = market[house].head(2_000), market.sample(1_000, random_state=0)
    report = judge.batch(pd.concat([cheap, others], ignore_index=True), champion)
    assert report.verdict == "drift"
    assert (report.moved, report.hurts) == (True, False), report.reasons
    assert (report.scores["moved"], report.scores["hurts"]) == (True, False)


def test_price_shift_moves_and_hurts(champion_and_reference, judge):
    champion, _ = champion_and_reference
    report = judge.batch(batch_of("price-shift", 2), champion)
    assert (report.moved, report.hurts) == (True, True)


def test_stored_baseline_gives_the_same_scores(champion_and_reference, judge):
    champion, reference = champion_and_reference
    stored = Baseline.from_json(learn_baseline(reference).as_json())
    batch = batch_of("mix-change", 2)
    again = Judge(reference, stored)
    # The order in which batches are judged does not matter.
    again.batch(batch_of("steady", 1), champion)
    assert again.batch(batch, champion).scores == judge.batch(batch, champion).scores


def test_verdict_train_without_a_champion():
    report = judge_batch(batch_of("steady", 0, rows=200), None, None)
    assert report.verdict == "train"
    assert report.reasons == ["there is no champion yet: train one first"]


def test_report_is_deterministic(champion_and_reference):
    champion, reference = champion_and_reference
    batch = batch_of("price-shift", 2, rows=1_000)
    first, second = (judge_batch(batch.copy(), reference.copy(), champion) for _ in range(2))
    assert json.dumps(first.scores, allow_nan=False) == json.dumps(second.scores, allow_nan=False)
    assert first.reasons == second.reasons


def test_judge_batch_keeps_its_input_and_emits_no_warnings(champion_and_reference):
    champion, reference = champion_and_reference
    batch = batch_of("steady", 2, rows=500)
    before, known = batch.copy(), reference.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = judge_batch(batch, reference, champion)
        document = page(report)
    pd.testing.assert_frame_equal(batch, before)
    pd.testing.assert_frame_equal(reference, known)
    assert document.count('class="plotly-graph-div"') == len(report.results) >= 20


def test_champion_without_a_price_raises_drift_error(champion_and_reference):
    champion, reference = champion_and_reference

    class ChampionWithoutAnswer:
        def predict(self, columns):
            price = champion.predict(columns).price
            price[7] = np.nan
            return Predictions(price, {}, {}, *(np.empty((0, 11)),) * 4)

    with pytest.raises(DriftError, match="gave no price"):
        judge_batch(batch_of("steady", 1, rows=200), reference, ChampionWithoutAnswer())


def test_failure_inside_nannyml_raises_drift_error(champion_and_reference, judge, monkeypatch):
    # NannyML catches what happens inside a chunk, logs it and continues with NaN.
    from nannyml.performance_estimation.direct_loss_estimation.metrics import MAE

    champion, _ = champion_and_reference

    def broken(self: MAE, data: pd.DataFrame) -> float:
        raise ValueError("the disk is on fire")

    monkeypatch.setattr(MAE, "_sampling_error", broken)
    with pytest.raises(DriftError, match=r"DLE.*the disk is on fire"):
        judge.batch(batch_of("steady", 1, rows=200), champion)


# Requests, whose true prices are unknown.

REQUEST_COLUMNS = list(INPUTS)


def test_no_drift_in_ordinary_requests(champion_and_reference, judge):
    champion, _ = champion_and_reference
    requests = batch_of("steady", 1)
    report = judge.requests(requests[REQUEST_COLUMNS], champion.predict(columns_of(requests)).price)
    assert report.verdict == "no_drift", report.reasons
    assert not {"price_level", "realised_error", "outside_market"} & {
        finding.name for finding in report.findings
    }
    assert set(report.scores) >= {"univariate", "multivariate", "quality", "performance"}
    assert "price" not in report.scores["univariate"]
    json.dumps(report.scores, allow_nan=False)


def test_requests_from_new_states_are_detected(champion_and_reference, judge):
    champion, _ = champion_and_reference
    requests = batch_of("new-states", 3)[REQUEST_COLUMNS]
    report = judge.requests(requests, champion.predict(columns_of(requests)).price)
    assert report.moved
    assert ("unseen", "state") in exceeded(report.findings)


def test_requests_that_are_hard_to_price_hurt(trained):
    known = batch_of("steady", 1, rows=6_000)
    reference = make_reference(known, trained.predict(columns_of(known)).price)
    requests = batch_of("steady", 2)
    requests = requests[requests["house_size"].isna() & requests["bed"].isna()][REQUEST_COLUMNS]
    report = judge_requests(requests, reference, trained.predict(columns_of(requests)).price)
    assert report.hurts
    assert any("estimated (DLE" in reason for reason in report.reasons)


def test_requests_without_predictions_are_refused(judge):
    requests = batch_of("steady", 1, rows=300)[REQUEST_COLUMNS]
    with pytest.raises(DriftError, match="need as many predicted prices"):
        judge.requests(requests, np.ones(3))
    with pytest.raises(DriftError, match="requests has no column bed"):
        judge.requests(requests.drop(columns="bed"), np.ones(len(requests)))
