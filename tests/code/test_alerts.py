"""The rules: each alert fires for its fault, not without it, ends after it, and has a runbook."""

import re
import subprocess

import pytest
import yaml

from cluster.monitoring import slos
from tests.kit.checkout import ROOT
from tests.kit.prometheus import needs, program, promtool

MONITORING = ROOT / "cluster" / "monitoring"
FILES = sorted((MONITORING / "rules").glob("*.yaml"))
ALERTS = [
    rule
    for file in FILES
    for group in yaml.safe_load(file.read_text())["groups"]
    for rule in group["rules"]
    if "alert" in rule
]
CAUSES = [rule for rule in ALERTS if rule["alert"] not in ("ErrorBudgetBurn", "Watchdog")]
PREDICT = '{function="predict"}'


def case(alert, fires, labels="", *, then="", context=(), minutes=20):
    """A series that is wrong for ``minutes``, then right for a day.

    ``fires`` is "SERIES VALUE"; a value with "+" grows by it each minute and then stays. ``then``
    is the right value, or "_" if the series ends. ``context`` are series that do not change.
    """
    series, value = fires.rsplit(" ", 1)
    if value.startswith("+"):
        wrong, right = f"0{value}x{minutes}", f"{int(value) * minutes}x150"
    else:
        wrong, right = f"{value}x{minutes}", f"{then or 0}x150"
    inputs = [{"series": series, "values": f"{wrong} {right}"}]
    inputs += [{"series": s, "values": f"{v}x200"} for s, v in (c.rsplit(" ", 1) for c in context)]
    return alert, {"minutes": minutes, "labels": labels, "inputs": inputs}


REJECTED, PROMOTED = (
    f'tasador_decisions_total{{decision="{d}"}}' for d in ("rejected", "promoted")
)
STARTED = 'tasador_gateway_cold_start_seconds_bucket{function="predict",le="%s"}'
VOLUME = 'namespace="n",persistentvolumeclaim="p"'
CASES = [
    case(
        "ModelNotLoaded",
        'tasador_model_loaded{function="predict",revision="predict-2",instance="1"} 0',
        'function="predict",revision="predict-2"',
        then="1",
        # The revision before it serves.
        context=['tasador_model_loaded{function="predict",revision="predict-1",instance="2"} 1'],
    ),
    case(
        "BundleBroken",
        'tasador_model_load_failures_total{function="predict",cause="bundle"} +1',
        'function="predict"',
    ),
    case("FunctionNotReady", 'tasador_ready{function="reload"} 0', 'function="reload"', then="1"),
    case(
        "StoreUnreachable",
        'tasador_stores_reachable{function="record"} 0',
        'function="record"',
        then="1",
    ),
    case(
        "ColdStartSlow",
        STARTED % "+Inf" + " +1",
        'function="predict"',
        context=[STARTED % "5.0" + " 0", STARTED % "10.0" + " 0"],
    ),
    case("PredictionsLost", 'tasador_recordings_total{outcome="lost"} +1'),
    case("LogLinesDropped", f"tasador_log_lines_dropped_total{PREDICT} +1", 'function="predict"'),
    case("DeadLetters", "tasador_dead_letters 2"),
    case(
        "EventsRefused",
        'tasador_events_total{function="reload",type="other",outcome="refused"} +1',
        'function="reload",type="other"',
    ),
    case(
        "RolloutBehind",
        'tasador_rollout_behind_seconds{service="explain"} 1000',
        context=["tasador_rollout_paused_seconds 0"],
    ),
    case(
        "RolloutFailed",
        'tasador_rollout_failed_attempts{service="predict"} 1',
        'service="predict"',
    ),
    case("RolloutLocked", "tasador_rollout_lock_held_seconds 1500"),
    case("RolloutsPaused", "tasador_rollout_paused_seconds 90000"),
    case(
        "ChampionLost",
        'tasador_promotion_newest_timestamp_seconds{version="1"} 1',
        then="_",
    ),
    case(
        "FlowStalled",
        'tasador_stage_waiting_seconds{stage="drift"} 2000',
        'stage="drift"',
        context=['tasador_stage_waiting_seconds{stage="train"} 2000'],
    ),
    case(
        "ApprovalWaiting",
        'tasador_stage_waiting_seconds{stage="approval"} 90000',
        'stage="approval"',
    ),
    case("ConnectionsExhausted", "tasador_database_connections_ratio 0.9"),
    case("FlowFailed", 'argo_workflows_total_count{phase="Failed"} +1'),
    case(
        "NoNewBatch",
        'tasador_stage_last_timestamp_seconds{stage="ingest"} -700000',
        then="0",
        minutes=90,
    ),
    case("FeedBroken", 'tasador_batches{state="refused"} 1'),
    case("QuarantineHigh", "tasador_last_batch_quarantined_ratio 0.5"),
    case("ChampionHurts", "tasador_monitor_hurts 1"),
    case("GateRejects", f"{REJECTED} +1", 'decision="rejected"', context=[f"{PROMOTED} 4"]),
    case("WarehouseUnreachable", "tasador_warehouse_reachable 0", then="1"),
    case("MetricsMissing", "tasador_warehouse_reachable _", then="1"),
    case("TargetDown", 'up{job="functions",instance="1"} 0', 'job="functions"', then="1"),
    case(
        "VolumeAlmostFull",
        f"kubelet_volume_stats_available_bytes{{{VOLUME}}} 5",
        VOLUME,
        then="50",
        context=[f"kubelet_volume_stats_capacity_bytes{{{VOLUME}}} 100"],
    ),
]
# After the fault, until no rate or window holds it any more (minutes); a week of decisions stays.
CLEAR = {"GateRejects": None, "ColdStartSlow": 90}


def run_rules(tmp_path, tests, rules=(MONITORING / "rules" / "alerts.yaml",)):
    """Run promtool's unit tests; fails with its report."""
    file = tmp_path / "test.yaml"
    content = {
        "rule_files": [str(each) for each in rules],
        "evaluation_interval": "1m",
        "tests": tests,
    }
    file.write_text(yaml.safe_dump(content))
    promtool("test", "rules", file)


def firing(alert, minute, *labels, **more):
    """That an alert fires at a minute, once for each of the ``labels``; without any, that it does
    not."""
    name = f'alertname="{alert}",alertstate="firing"'
    samples = [{"labels": f"ALERTS{{{name},{each}}}", "value": 1} for each in labels]
    selector = "".join(f',{key}="{value}"' for key, value in more.items())
    return {
        "expr": f"ALERTS{{{name}{selector}}}",
        "eval_time": f"{minute}m",
        "exp_samples": samples,
    }


@needs("promtool")
def test_rules_are_valid():
    promtool("check", "rules", "--lint=all", "--lint-fatal", *FILES)


@needs("promtool")
def test_each_alert_fires_for_its_fault_and_ends_after_it(tmp_path):
    severity = {rule["alert"]: rule["labels"]["severity"] for rule in CAUSES}
    tests = []
    for alert, each in CASES:
        minutes, labels = each["minutes"], each["labels"].strip(",")
        fires = f'severity="{severity[alert]}"' + (f",{labels}" if labels else "")
        checks = [firing(alert, minutes - 1, fires)]
        clear = CLEAR.get(alert, 30)
        if clear is not None:
            checks.append(firing(alert, minutes + clear))
        tests.append(
            {
                "interval": "1m",
                "name": alert,
                "input_series": each["inputs"],
                "promql_expr_test": checks,
            }
        )
    run_rules(tmp_path, tests)


def test_every_alert_has_a_case():
    assert {rule["alert"] for rule in CAUSES} == {alert for alert, _ in CASES}


@needs("promtool")
def test_a_counter_that_begins_with_its_first_failure_raises_its_alert(tmp_path):
    """A process that the failed request started, or a phase that Argo has not counted before."""
    process = 'function="record"'
    first = {
        "FlowFailed": ('argo_workflows_total_count{phase="Failed"}', ""),
        "EventsRefused": (
            f'tasador_events_total{{{process},type="t",outcome="refused"}}',
            f',{process},type="t"',
        ),
        "PredictionsLost": ('tasador_recordings_total{outcome="lost"}', ""),
        "LogLinesDropped": (f"tasador_log_lines_dropped_total{{{process}}}", f",{process}"),
    }
    run_rules(
        tmp_path,
        [
            {
                "interval": "1m",
                "name": alert,
                "input_series": [{"series": series, "values": "_x20 1x60"}],
                "promql_expr_test": [
                    firing(alert, 19),
                    firing(alert, 25, f'severity="ticket"{labels}'),
                    firing(alert, 45),
                ],
            }
            for alert, (series, labels) in first.items()
        ],
    )


@needs("promtool")
def test_a_pause_or_a_promotion_silences_what_it_explains(tmp_path):
    paused = [
        {"series": 'tasador_rollout_behind_seconds{service="predict"}', "values": "9999x60"},
        {"series": "tasador_rollout_paused_seconds", "values": "60x60"},
    ]
    promoted = [
        {"series": REJECTED, "values": "0+1x60"},
        {"series": PROMOTED, "values": "0x10 1x50"},
    ]
    serving = [
        {"series": "tasador_promotion_newest_timestamp_seconds", "values": "1x60"},
        {"series": "tasador_promotion_serving_timestamp_seconds", "values": "1x60"},
    ]
    run_rules(
        tmp_path,
        [
            {"interval": "1m", "input_series": series, "promql_expr_test": [firing(alert, 50)]}
            for alert, series in (
                ("RolloutBehind", paused),
                ("GateRejects", promoted),
                ("ChampionLost", serving),
            )
        ],
    )


@needs("promtool")
def test_budgets_burn_fast_slowly_or_not_at_all(tmp_path):
    """Of 1,000 requests a minute, so many fail for 70 minutes: a page, a ticket, or silence."""
    requests = 'tasador_http_requests_total{function="predict",route="/predict",status="%s"}'

    def test(errors, *expected):
        fires = [f'severity="{each}",slo="predict-availability"' for each in expected]
        name = "ErrorBudgetBurn"
        return {
            "interval": "1m",
            "input_series": [
                {"series": requests % "2xx", "values": "0+1000x110"},
                {"series": requests % "5xx", "values": f"0+{errors}x70 {errors * 70}x40"},
            ],
            "promql_expr_test": [
                firing(name, 70, *fires),
                # The short windows end a page soon after the fault.
                firing(name, 105, severity="page"),
            ],
        }

    rules = tmp_path / "rules.yaml"
    (objective,) = (
        each
        for each in yaml.safe_load(slos.SOURCE.read_text())["slos"]
        if each["name"] == "predict-availability"
    )
    rules.write_text(yaml.safe_dump({"groups": slos.groups([objective])}))
    # The budget is 0.5 %: 10 % burns 20 times too fast, 2 % 4 times, 0.4 % less than it may.
    run_rules(tmp_path, [test(111, "page", "ticket"), test(20, "ticket"), test(4)], [rules])


def test_the_objectives_have_the_workbook_s_burn_rates():
    """Table 5-8: the share of a 30-day budget that is consumed when the long window ends."""
    hours = {"1h": 1, "6h": 6, "1d": 24, "3d": 72, "5m": 1 / 12, "30m": 0.5, "2h": 2}
    shares = [rate.factor * hours[rate.long] / (30 * 24) for rate in slos.BURN_RATES]
    assert shares == pytest.approx([0.02, 0.05, 0.1, 0.1])
    assert all(hours[r.short] == pytest.approx(hours[r.long] / 12) for r in slos.BURN_RATES)


def test_the_rules_of_the_objectives_are_up_to_date():
    assert slos.RULES.read_text() == slos.rendered(), "run ./taskw monitoring"


@pytest.mark.parametrize(
    "rule", ALERTS, ids=lambda rule: rule["alert"] + rule["labels"].get("slo", "")
)
def test_every_alert_says_what_to_do_and_where_more_is(rule):
    assert rule["labels"]["severity"] in ("page", "ticket", "none")
    summary = rule["annotations"]["summary"]
    assert summary.endswith(".")
    assert len(re.split(r"[.;:] ", summary)) >= 2, "what is wrong, then what to do"
    page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert page == slos.RUNBOOKS
    text = (ROOT / "docs" / "runbooks.md").read_text()
    sections = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    matching = [each for each in sections if slos.anchor(each.splitlines()[0]) == anchor]
    assert matching, f"docs/runbooks.md has no heading for #{anchor}"
    assert rule["alert"] in matching[0]
    assert rule["labels"].get("slo", "") in matching[0]


def test_every_metric_of_a_rule_is_exported():
    """A metric that was renamed would silence an alert for ever."""
    sources = [*(ROOT / "functions").rglob("*.py"), *(ROOT / "tasador").rglob("*.py")]
    code = "\n".join(file.read_text() for file in sources)
    for file in FILES:
        for name in set(re.findall(r"\btasador_\w+", file.read_text())):
            plain = re.sub(r"_(bucket|count|sum)$", "", name)
            assert f'"{plain}"' in code or f'"{plain.removesuffix("_total")}"' in code, name


@needs("promtool")
def test_the_scrape_configuration_is_valid():
    done = promtool("check", "config", "--syntax-only", MONITORING / "prometheus.yml", code=None)
    if "unknown service discovery" in done or "not found" in done:
        pytest.skip("this Prometheus cannot discover pods, as Debian's: see .ci/run")
    assert "SUCCESS" in done, done


@needs("amtool")
def test_the_routes_reach_their_receivers():
    file = MONITORING / "alertmanager.yml"
    for labels, receiver in (
        (("severity=page",), "page"),
        (("severity=ticket",), "ticket"),
        (("severity=none", "alertname=Watchdog"), "watchdog"),
    ):
        command = [program("amtool"), "config", "routes", "test", f"--config.file={file}", *labels]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.stdout.strip() == receiver, done.stdout + done.stderr
