"""NannyML's own plots of one drift report, as HTML that needs no network."""

from __future__ import annotations

import base64
import gzip
import html
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

    from tasador.drift.report import DriftReport

_HEIGHT = 380  # pixels of one plot
_LAYOUT = {
    "height": _HEIGHT,
    "width": None,
    # NannyML's title repeats that of the plot, and takes a third of the height.
    "title": None,
    "margin": {"l": 60, "r": 15, "t": 50, "b": 90},
    "legend": {"orientation": "h", "y": -0.25},
}
_STYLE = (
    ":root{color-scheme:light dark}body{margin:0}"
    "main{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,24rem),1fr));"
    "gap:8px}main>div{min-width:0}"
    "@media(prefers-color-scheme:dark){.js-plotly-plot{filter:invert(.93) hue-rotate(180deg)}}"
)
# The frame is as high as its plots, where the page around it may be reached.
_FIT = (
    "<script>new ResizeObserver(()=>{if(frameElement)frameElement.style.height="
    "document.body.scrollHeight+'px'}).observe(document.body)</script>"
)


_UNPACK = (
    "<script>const packed=Uint8Array.from(atob('PACKED'),c=>c.charCodeAt(0));"
    "new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip')))"
    ".text().then(page=>{document.open();document.write(page);document.close()})</script>"
)


def figures(report: DriftReport) -> dict[tuple[str, str], Figure]:
    """NannyML's plots by (name, column) of the finding, those beyond their limits first."""
    beyond = {(f.name, f.column) for f in report.findings if f.exceeded}
    drawn: dict[tuple[str, str], Figure] = {}
    with warnings.catch_warnings():
        # pandas 3 and plotly deprecate calls that NannyML makes.
        warnings.simplefilter("ignore")
        for key in sorted(report.results, key=lambda key: key not in beyond):
            result = report.results[key]
            if len(getattr(result, "column_names", ())) > 1 and key[1]:
                result = result.filter(column_names=[key[1]])
            drawn[key] = result.plot().update_layout(_LAYOUT)
    return drawn


def page(report: DriftReport) -> str:
    """One HTML page of all plots with plotly.js inlined once; empty if nothing was measured."""
    parts: list[str] = []
    for figure in figures(report).values():
        script: Any = False if parts else "inline"
        config = {"responsive": True, "displayModeBar": False}
        drawn = figure.to_html(full_html=False, include_plotlyjs=script, config=config)
        parts.append(f"<div>{drawn}</div>")
    if not parts:
        return ""
    return (
        "<!doctype html><meta charset=utf-8><title>Drift</title>"
        f"<style>{_STYLE}</style><main>{''.join(parts)}</main>{_FIT}"
    )


def frame(document: str, height: int = 1200) -> str:
    """A page as one line of HTML for the Markdown of a Metaflow card.

    A card's Markdown runs no scripts, but an iframe inside it does. The page is compressed:
    plotly.js alone is 4.5 MB, and the card encodes its content in base64 once more.
    """
    packed = base64.b64encode(gzip.compress(document.encode(), mtime=0)).decode()
    source = html.escape(_UNPACK.replace("PACKED", packed))
    style = f"width:100%;height:{height}px;border:0"
    return f'<iframe title="NannyML plots" style="{style}" srcdoc="{source}"></iframe>'
