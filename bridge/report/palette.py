"""Colours: readable to the colour-blind, in print, on light and on dark.

Utilisation is shown in cividis (Nunez, Anderton, Renslow, "Optimizing colormaps with consideration
for color vision deficiency", PLoS ONE 13(7), 2018), which rises evenly in lightness for every kind
of colour vision. Lines have colours of Okabe and Ito ("Color Universal Design", 2008). A colour
never stands alone: a number or a word says the same.
"""

from __future__ import annotations

CIVIDIS = (
    "#00204c", "#00306e", "#2a406c", "#48526b", "#5e626e", "#727374",
    "#878479", "#9e9677", "#b6a971", "#d0be67", "#ffe945",
)  # fmt: skip
"""From idle to full; one for each tenth, and the last for what is full."""
FULL = 0.98
"""Utilisation from which on a server counts as full."""
FIRST_LIGHT = 6
"""The first of them that needs dark text."""


def step(utilisation: float) -> int:
    """Position in `CIVIDIS`."""
    if utilisation >= FULL:
        return len(CIVIDIS) - 1
    return max(0, min(len(CIVIDIS) - 2, int(utilisation * 10)))


STYLE = (
    """
:root{color-scheme:light dark;--paper:#fff;--ink:#1b1f24;--soft:#57606a;--line:#d0d7de;
--panel:#f6f8fa;--blue:#0072b2;--orange:#c25400;--green:#00795a;--mark:#c25400;--link:#0072b2}
@media (prefers-color-scheme:dark){:root{--paper:#12161b;--ink:#e6e9ed;--soft:#a3adb8;
--line:#3a424c;--panel:#1b2129;--blue:#56b4e9;--orange:#e69f00;--green:#2fc79d;--mark:#ff9a3d;
--link:#7cc4f5}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1180px;padding:20px 16px 48px;background:var(--paper);
color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
h1{font-size:26px;line-height:1.2;margin:0 0 4px;overflow-wrap:anywhere}
h2{font-size:19px;margin:34px 0 6px;padding-top:10px;border-top:1px solid var(--line)}
h3{font-size:15px;margin:18px 0 4px}
p{margin:4px 0 10px;max-width:75ch;overflow-wrap:anywhere}
.soft{color:var(--soft)}.verdict{font-size:17px}
.tiles{display:flex;flex-wrap:wrap;gap:8px;margin:14px 0}
.tile{border:1px solid var(--line);border-radius:6px;padding:6px 12px;background:var(--panel)}
.tile b{display:block;font-size:19px;line-height:1.3}.tile span{color:var(--soft);font-size:13px}
.wide{overflow-x:auto;margin:6px 0 10px}
table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums}
th,td{padding:4px 8px 4px 0;text-align:right;border-bottom:1px solid var(--line);
vertical-align:top;white-space:nowrap}
th{color:var(--soft);font-weight:600}
.t,.t th{text-align:left}td.long{overflow-wrap:anywhere;white-space:normal;min-width:9em}
tr.chosen td{font-weight:700}
ul{margin:4px 0;padding-left:20px}li{margin:3px 0;max-width:80ch;overflow-wrap:anywhere}
.boxes{display:flex;flex-wrap:wrap;gap:8px;align-items:flex-start;margin:10px 0}
.plots{display:flex;flex-wrap:wrap;gap:18px}
figure{margin:0;max-width:100%}figcaption{font-size:13px;color:var(--soft);max-width:60ch}
svg{display:block;max-width:none}.plots svg{max-width:100%;height:auto}
.fit svg{max-width:100%;height:auto}
svg text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:var(--ink)}
svg .s{font-size:11px}svg .xs{font-size:9.5px}svg .soft{fill:var(--soft)}svg .b{font-weight:700}
svg .hotword{fill:var(--mark);font-weight:700}
.frame{fill:var(--panel);stroke:var(--line)}.frame.hot{stroke:var(--mark);stroke-width:3}
.node{fill:var(--panel);stroke:var(--soft)}.node.hot{stroke:var(--mark);stroke-width:3}
.flow{fill:none;stroke:var(--blue);stroke-opacity:.55}.flow.back{stroke-dasharray:6 4}
.axis{stroke:var(--soft);fill:none}.grid{stroke:var(--line);fill:none}
.l1{fill:none;stroke:var(--blue);stroke-width:2}.a1{fill:var(--blue);fill-opacity:.18}
.l2{fill:none;stroke:var(--orange);stroke-width:2;stroke-dasharray:6 3}
svg .c1{fill:var(--blue)}svg .c2{fill:var(--orange)}svg .c3{fill:var(--green)}
.l3{stroke:var(--green);stroke-width:1.5;fill:none}.a3{fill:var(--green);fill-opacity:.13}
.halo{paint-order:stroke;stroke:var(--paper);stroke-width:4px;stroke-linejoin:round}
.p{fill:var(--paper);stroke:var(--soft);stroke-width:1.5}.p.front{fill:var(--blue);
stroke:var(--blue)}.ring{fill:none;stroke:var(--mark);stroke-width:2.5}
.step{fill:none;stroke:var(--orange);stroke-width:1.5}.step.taken{fill:var(--orange);
fill-opacity:.35}
svg text.on{fill:#fff}.cell{stroke:var(--soft);stroke-width:.6}
.cell.hot{stroke:var(--mark);stroke-width:3}
.bar{fill:var(--line)}.n0{fill:var(--line)}
.ram{fill:none;stroke:var(--soft)}.live{fill:var(--blue);fill-opacity:.75}
.enough{stroke:var(--mark);stroke-width:3}
"""
    + "".join(
        f".u{i}{{fill:{colour}}}svg text.w{i}{{fill:{'#fff' if i < FIRST_LIGHT else '#000'}}}"
        for i, colour in enumerate(CIVIDIS)
    )
    + """
@media (max-width:600px){body{padding:12px 10px 32px;font-size:14px}h1{font-size:21px}}
@media print{:root{color-scheme:light;--paper:#fff;--ink:#000;--soft:#444;--line:#bbb;
--panel:#f4f4f4;--blue:#0072b2;--orange:#b34a00;--green:#00694e;--mark:#b34a00}
*{print-color-adjust:exact;-webkit-print-color-adjust:exact}
body{max-width:none;padding:0;font-size:11pt}h2,h2+p{break-after:avoid}
.wide{overflow:visible}.wide table{max-width:100%}
.wide svg{max-width:100%!important;min-width:0!important;height:auto}
.plots{gap:2%}.plots figure{width:48%}h3{break-after:avoid}
figure,tr,.boxes svg,.tile{break-inside:avoid}table{font-size:8pt}th,td{padding-right:6px}}
"""
)
"""The style sheet of the page."""
