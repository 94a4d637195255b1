"""Pages about a flow's runs, which Metaflow's card server lacks: the list, the log of each step.

``/runs`` lists the newest runs, ``/log/RUN`` shows what a run's steps printed, and
``/turn/CORRELATION/card`` and ``/turn/CORRELATION/log`` lead to the run of a turn of the loop.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any
from urllib.parse import quote, unquote

_LISTED = 50
# Of each stream of a step, in characters: its end says why it failed.
_MOST_LOG = 200_000
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">{refresh}
<style>:root {{ color-scheme: light dark; }} body {{ font: 16px/1.6 system-ui, sans-serif;
margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }} td {{ padding-right: 1.5rem; }}
pre {{ font-size: 13px; white-space: pre-wrap; overflow-wrap: anywhere; }}</style>
<h1>{title}</h1>{content}</html>"""
_REFRESH = '<meta http-equiv="refresh" content="5">'
# The correlation id of each run that has chosen one.
_correlations: dict[str, str] = {}


def list_runs(handler: Any, _suffix: Any) -> None:
    """The newest runs, with their cards and logs."""
    flow = handler.card_options.flow_name
    rows = "".join(
        f'<tr><td><a href="/?run={_quoted(run.id)}">{escape(run.id)}</a></td>'
        f"<td>{run.created_at:%Y-%m-%d %H:%M}</td><td>{_state(run)}</td>"
        f'<td><a href="/log/{_quoted(run.id)}">Log</a></td></tr>'
        for run in _newest(flow)
    )
    _answer(
        handler,
        f"Runs of {escape(flow)}",
        f"<table>{rows or '<tr><td>There is none yet.</td></tr>'}</table>",
    )


def show_log(handler: Any, suffix: Any) -> None:
    """What each step of a run printed; the page of a run that goes on loads itself again."""
    flow = handler.card_options.flow_name
    name = unquote(str(suffix or ""))
    run = next((run for run in _newest(flow) if run.id == name), None)
    if run is None:
        _answer(handler, "No such run", f"{escape(flow)} has no run {escape(name)}.", code=404)
        return
    # Metaflow lists the last step first.
    steps = "".join(reversed([_step(step) for step in run]))
    title = f"Log of {escape(flow)}, run {escape(run.id)} ({_state(run)})"
    _answer(handler, title, steps, refresh="" if run.finished else _REFRESH)


def lead_to_run(handler: Any, suffix: Any) -> None:
    """Redirect to the newest run with a correlation id."""
    correlation_id, _, shown = unquote(str(suffix or "")).partition("/")
    flow = handler.card_options.flow_name
    run = next((r for r in _newest(flow) if _correlation(r) == correlation_id), None)
    if run is None:
        _answer(
            handler,
            "No such run",
            f"None of the newest {_LISTED} runs of {escape(flow)} has the correlation id "
            f"{escape(correlation_id)}.",
            code=404,
        )
        return
    handler.send_response(302)
    name = _quoted(run.id)
    handler.send_header("location", f"/log/{name}" if shown == "log" else f"/?run={name}")
    handler.end_headers()


def _newest(flow: str) -> Iterator[Any]:
    from itertools import islice

    from metaflow import Flow, namespace
    from metaflow.exception import MetaflowException

    namespace(None)
    try:
        yield from islice(Flow(flow), _LISTED)
    except MetaflowException:
        return  # no run yet


def _correlation(run: Any) -> str:
    """The correlation id that the run's first step chose; empty until then."""
    if run.pathspec not in _correlations:
        task = next((step.task for step in run if step.id == "start"), None)
        if task is None or not task.successful:
            return ""
        found = getattr(task.data, "correlation_id", "")
        # A training without the parameter takes that of the newest batch.
        plan = getattr(task.data, "planned", None)
        _correlations[run.pathspec] = str(getattr(plan, "correlation_id", found))
    return _correlations[run.pathspec]


def _step(step: Any) -> str:
    parts = [f"<h2>{escape(step.id)}</h2>"]
    for task in step:
        printed = (task.stdout[-_MOST_LOG:], task.stderr[-_MOST_LOG:])
        parts += [f"<pre>{escape(text)}</pre>" for text in printed if text.strip()]
    return "".join(parts) if len(parts) > 1 else f"{parts[0]}<p>It printed nothing.</p>"


def _state(run: Any) -> str:
    # Metaflow does not say whether a run without an end still works.
    return "done" if run.successful else "failed" if run.finished else "not ended"


def _quoted(text: str) -> str:
    return quote(text, safe="")


def _answer(handler: Any, title: str, content: str, *, refresh: str = "", code: int = 200) -> None:
    page = _PAGE.format(title=title, content=content, refresh=refresh)
    handler._response(page.encode(), code=code)
