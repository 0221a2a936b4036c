"""The pages that Great Expectations writes, made to stand alone: without script, and without anything that another host would serve."""

from __future__ import annotations

import re
import shutil
from html import escape
from pathlib import Path
from urllib.parse import quote

# They fetch styles and scripts from five hosts, and a logo whose address counts the visitors; without those nothing of them runs anyway.
FOREIGN = re.compile(
    r"<script\b.*?</script\s*>|<footer\b.*?</footer\s*>|<button\b.*?</button\s*>|<style\b.*?</style\s*>"
    r"|<link\b[^>]*>|<img\b[^>]*>|\son\w+=(?:\"[^\"]*\"|'[^']*')",
    re.DOTALL | re.IGNORECASE,
)
HEAD = re.compile(r"</head\s*>", re.IGNORECASE)
STYLE = """
<style>
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 72rem; margin: 0 auto; padding: 1rem 1.5rem 3rem; }
table { border-collapse: collapse; width: 100%; }
td, th { border-top: 1px solid #8884; padding: .35rem .6rem; text-align: left; vertical-align: top; }
ol { padding: 0; list-style: none; display: flex; gap: .6rem; }
.nav { padding-left: 1.1rem; }
.ge-section { margin-top: 1.5rem; }
.alert { border-left: 3px solid #8888; padding: .3rem .8rem; margin: .8rem 0; }
.text-success::before { content: "✓"; color: #1a7f37; }
.text-danger::before { content: "✗"; color: #c93c37; }
.text-warning::before { content: "!"; color: #b8860b; }
.badge { background: #8882; border-radius: .3rem; padding: 0 .3rem; margin-right: .25rem; }
.collapse, .cooltip .top, .card:has(.btn-group), [data-toggle=collapse] { display: none; }
</style>
</head>
"""
INDEX = """<!DOCTYPE html>
<html lang="ru"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Data Docs</title></head>
<body><h1>Data Docs</h1><table><thead><tr><th>Таблица</th><th>Чего от неё ждут</th><th>Последняя проверка</th></tr></thead><tbody>{rows}</tbody></table></body></html>
"""  # noqa: E501
ROW = '<tr><th>{name}</th><td><a href="{suite}">ожидания</a></td><td>{checks}</td></tr>'


def seal(folder: Path) -> None:
    """Clean every page below `folder`, and write an index that needs no script."""
    shutil.rmtree(folder / "static", ignore_errors=True)
    (folder / "index.html").write_text(_index(folder), encoding="utf-8")
    for path in folder.rglob("*.html"):
        path.write_text(cleaned(path.read_text(encoding="utf-8")), encoding="utf-8")


def cleaned(page: str) -> str:
    """The page without script and foreign parts, in a style of its own."""
    return HEAD.sub(lambda _: STYLE, FOREIGN.sub("", page), count=1)


def _index(folder: Path) -> str:
    suites = sorted((folder / "expectations").glob("*.html"))
    return INDEX.format(rows="".join(_row(folder, suite) for suite in suites))


def _row(folder: Path, suite: Path) -> str:
    checks = sorted((folder / "validations" / suite.stem).rglob("*.html"))
    links = (f'<a href="{quote(one.relative_to(folder).as_posix())}">{escape(one.parent.name)}</a>' for one in checks)
    return ROW.format(name=escape(suite.stem), suite=quote(f"expectations/{suite.name}"), checks=" ".join(links))
