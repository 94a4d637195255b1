"""The style sheet of a valuation report: one A4 page in print, and a page for any screen."""

STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1d2730; --soft: #55626d; --line: #d5dce2;
  --row: #f4f7f9; --band: #2f6f9f; --up: #1d6b3c; --down: #a6400f; --note: #fff6e0; }
@media (prefers-color-scheme: dark) { :root { --paper: #12181d; --ink: #e4eaee; --soft: #a3b0ba;
  --line: #303b44; --row: #1a2229; --band: #6fb1e0; --up: #7ccf97; --down: #f0a070;
  --note: #3a2f12; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1.2rem; background: var(--paper);
  color: var(--ink); font: 15px/1.45 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.2; margin: 0; }
h2 { font-size: 1rem; margin: 1.2rem 0 .3rem; }
p { margin: .25rem 0; }
header { border-bottom: 2px solid var(--ink); padding-bottom: .5rem; }
.soft { color: var(--soft); }
.two { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr));
  gap: 0 1.6rem; }
.price { font-size: 2rem; font-weight: 700; line-height: 1.2; margin: .2rem 0; }
.scale { position: relative; height: 1.1rem; margin: .5rem 0; background: var(--row);
  border-radius: 3px; }
.scale i { position: absolute; top: 0; bottom: 0; background: var(--band); opacity: .28; }
.scale b { position: absolute; top: -.2rem; bottom: -.2rem; width: 2px; background: var(--ink); }
.table { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .22rem .45rem; text-align: right; vertical-align: top;
  border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; }
.grid th, .grid td { white-space: nowrap; padding-inline: .3rem; }
.grid { font-size: .92em; }
.grid td:nth-child(2) { white-space: normal; min-width: 12em; }
.left { text-align: left; }
td:last-child { white-space: nowrap; }
.up { color: var(--up); } .down { color: var(--down); }
.note { background: var(--note); border-radius: 4px; padding: .35rem .6rem; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .1rem .8rem;
  margin: 0; }
dt { color: var(--soft); } dd { margin: 0; }
footer { margin-top: 1rem; border-top: 1px solid var(--line); padding-top: .4rem;
  color: var(--soft); font-size: .88em; }
@media (max-width: 40rem) { body { padding: .8rem; font-size: 14px; } }
@page { size: A4; margin: 9mm; }
@media print {
  :root { color-scheme: light; --paper: #fff; --ink: #000; --soft: #444; --line: #ccc;
    --row: #eee; --band: #2f6f9f; --up: #14532d; --down: #7c2d12; --note: #fff6e0; }
  body { max-width: none; padding: 0; font-size: 7.6pt; line-height: 1.28;
    print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  h1 { font-size: 14pt; } h2 { font-size: 9pt; margin: 1.8mm 0 .6mm; }
  .price { font-size: 17pt; margin: .5mm 0; }
  .two { grid-template-columns: 1fr 1fr; }
  .scale { height: 3mm; margin: 1.5mm 0; }
  .table { overflow: visible; }
  th, td { padding: .35mm .9mm; }
  .grid { font-size: 6.3pt; } .grid th, .grid td { padding: .35mm .6mm; }
  .grid .left { white-space: normal; }
  .grid td:nth-child(2) { min-width: 0; }
  p { margin: .5mm 0; }
  .note { padding: .6mm 1.5mm; }
  footer { margin-top: 2mm; padding-top: 1mm; font-size: 6.6pt; }
}
""".strip()
