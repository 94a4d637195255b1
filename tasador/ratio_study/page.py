"""A ratio study as one HTML file without any request to other files or hosts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from tasador.ratio_study import curves, words
from tasador.ratio_study.fairness import Disparity
from tasador.ratio_study.groups import DECILE, STATE
from tasador.ratio_study.study import Group, Study

_STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1d2730; --soft: #5b6873; --line: #d9e0e5;
  --band: #2f6f9f; --near: #c8741a; --good: #22733f; --unsure: #8a5a00; --bad: #b3261e;
  --row: #f4f7f9; }
@media (prefers-color-scheme: dark) { :root { --paper: #12181d; --ink: #e4eaee; --soft: #9fadb8;
  --line: #303b44; --band: #6fb1e0; --near: #f0a04b; --good: #7ccf97; --unsure: #e6b95c;
  --bad: #ff8a80; --row: #1a2229; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 70rem; padding: 1.2rem; background: var(--paper);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.2; margin: .4rem 0; }
h2 { font-size: 1.15rem; margin: 2rem 0 .5rem; }
p, li { max-width: 46rem; }
.soft, li { color: var(--soft); overflow-wrap: anywhere; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr));
  gap: 1.2rem; align-items: start; }
figure { margin: 0; }
figcaption { color: var(--soft); font-size: .9rem; }
svg { width: 100%; height: auto; display: block; }
svg text { fill: var(--soft); font: 11px system-ui, sans-serif; }
.grid { stroke: var(--line); } .axis { stroke: var(--soft); }
.limit { stroke: var(--soft); stroke-dasharray: 4 4; }
.wide { fill: var(--band); opacity: .16; } .band { fill: var(--band); opacity: .38; }
.bar { fill: var(--band); opacity: .75; } .near { fill: var(--near); }
.median { fill: none; stroke: var(--ink); stroke-width: 2; } .error { stroke: var(--ink); }
.dot { fill: var(--ink); }
.table { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .6rem; text-align: right; white-space: nowrap; }
th { font-weight: 600; color: var(--soft); border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0;
  background: inherit; }
thead tr { background: var(--paper); }
tbody tr { background: var(--paper); } tbody tr:nth-child(even) { background: var(--row); }
.within { color: var(--good); } .noise { color: var(--unsure); }
.outside { color: var(--bad); font-weight: 600; }
td.text, th.text { text-align: left; }
td.meaning { white-space: normal; min-width: 16rem; color: var(--soft); }
@media (max-width: 40rem) { body { padding: .8rem; }
  th, td { padding: .3rem .4rem; font-size: .86rem; } }
@media print { body { max-width: none; } .table { overflow: visible; } }
""".strip()

_KINDS = {DECILE: "By tenth of the estimates", STATE: "By state"}


def html(
    study: Study, title: str, facts: Mapping[str, str], disparities: Sequence[Disparity] = ()
) -> str:
    """The page: figures, charts and groups. ``facts`` are name and value pairs below the title."""
    kinds = words.kinds(study)
    few = [g for kind, groups in kinds.items() if kind not in (DECILE, STATE) for g in groups]
    curve = (
        "Median ratio (with its 95 % interval), quartiles and 10 to 90 % by tenth of the "
        "estimates. The dashed lines are the limits of the median ratio."
    )
    charts = [
        (curves.ratio_curve(study), curve),
        (curves.by_group(few), "Median, quartiles and 10 to 90 % of the ratios by group."),
        (
            curves.distribution(study),
            "All ratios; 0.98 to 1.02 is marked. The last bar is above 2.",
        ),
    ]
    shown = "".join(
        f"<figure>{chart}<figcaption>{escape(caption)}</figcaption></figure>"
        for chart, caption in charts
        if chart
    )
    described = " · ".join(f"{escape(name)} {escape(value)}" for name, value in facts.items())
    tables = "".join(
        f"<h2>{escape(_KINDS.get(kind, f'By {kind}'))}</h2>{_groups(groups)}"
        for kind, groups in kinds.items()
    )
    notes = "".join(f"<li>{escape(note)}</li>" for note in words.notes(study))
    body = (
        f"<h1>{escape(title)}</h1><p class=soft>{described}</p>"
        f"<h2>{study.overall.rows:,} rows</h2>{_details(study.overall)}"
        f"{_disparities(disparities)}"
        f"<h2>Ratio curves</h2><div class=charts>{shown}</div>{tables}"
        f"<h2>How to read it</h2><ul>{notes}</ul>"
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>{body}</body></html>\n"
    )


def _details(group: Group) -> str:
    if not group.figures:
        return f"<p class=soft>{escape(words.TOO_FEW)}.</p>"
    rows = []
    for (name, measured), cells in zip(
        group.figures.items(), words.detail_rows(group), strict=True
    ):
        label, value, verdict, *others = cells
        marked = f'<td class="text {measured.verdict or ""}">{escape(verdict)}</td>'
        meaning = f"<td class='text meaning'>{escape(words.MEANINGS[name])}</td>"
        rows.append(f"<tr><td>{label}</td>{_cells([value])}{marked}{_cells(others)}{meaning}</tr>")
    return _table([*words.DETAIL_HEADERS, "meaning"], rows, texts=("verdict", "meaning"))


def _disparities(disparities: Sequence[Disparity]) -> str:
    if not disparities:
        return ""
    rows = []
    for found, cells in zip(disparities, words.disparity_rows(disparities), strict=True):
        level, accuracy = (
            f'<td class="text {verdict}">{escape(cell)}</td>'
            for verdict, cell in (
                (found.level_verdict, cells[5]),
                (found.accuracy_verdict, cells[8]),
            )
        )
        rows.append(f"<tr>{_cells(cells[:5])}{level}{_cells(cells[6:8])}{accuracy}</tr>")
    table = _table(words.DISPARITY_HEADERS, rows, texts=("verdict",))
    return f"<h2>By the make-up of zip codes</h2>{table}"


def _groups(groups: Sequence[Group]) -> str:
    rows = []
    for group in groups:
        name, count, *values = words.group_row(group)
        cells = "".join(
            f'<td class="{_verdict(group, figure)}">{escape(value)}</td>'
            for figure, value in zip(words.LABELS, values, strict=True)
        )
        rows.append(f"<tr><td>{escape(name)}</td>{_cells([count])}{cells}</tr>")
    return _table(words.headers(), rows)


def _verdict(group: Group, figure: str) -> str:
    return (group.figures[figure].verdict or "") if figure in group.figures else ""


def _cells(values: Sequence[str]) -> str:
    return "".join(f"<td>{escape(value)}</td>" for value in values)


def _table(headers: Sequence[str], rows: Sequence[str], texts: Sequence[str] = ()) -> str:
    head = "".join(
        f"<th{' class=text' if header in texts else ''}>{escape(header)}</th>" for header in headers
    )
    return (
        f'<div class="table" tabindex="0"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )
