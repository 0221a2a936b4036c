"""«Качество данных»: the latest report for people, and the Data Docs behind sign-in, in their folder and without script."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench._house import House
from tests.pages.conftest import Visit
from warehouse import data_docs, quality

PAGE = "/settings/quality"
EVIL = "<script>alert(1)</script>"
WRITTEN = """<html><head><link href="https://cdn.example/a.css"><script src="https://cdn.example/a.js"></script></head>
<body onload="steal()"><img src="https://logo.example/?id=1"><button onclick="x()">Filter</button><h1>fact_call</h1></body></html>"""


@pytest.fixture
def report(house: House) -> Path:
    """A report with one broken expectation, and the pages that belong to it; the folder of these."""
    broken = {
        "table": "fact_call",
        "about": "Звонок встречается один раз.",
        "severity": "critical",
        "count": 2,
        "examples": [{"call_id": EVIL}],
    }
    found = {"checks": 79, "broken": [broken], "pages": "", "at": "2026-11-23T09:00:00+00:00", "seconds": 4.2}
    docs = quality.docs(house.settings)
    (docs / "expectations").mkdir(parents=True)
    (docs / "validations" / "fact_call" / "run").mkdir(parents=True)
    for name in ("index.html", "expectations/fact_call.html", "validations/fact_call/run/a b.html"):
        (docs / name).write_text(WRITTEN)
    data_docs.seal(docs)
    (quality.folder(house.settings) / quality.REPORT).write_text(json.dumps(found))
    (docs.parent / "secret.html").write_text("secret")
    (docs / "notes.txt").write_text("notes")
    (docs / "link.html").symlink_to(docs.parent / "secret.html")
    return docs


def test_the_report_names_what_is_broken_with_rows(visit: Visit, report: Path) -> None:
    page = visit("analyst").get(PAGE).text
    assert "Звонок встречается один раз." in page
    assert "есть ошибки" in page
    assert "2\u00a0раза" in page
    assert EVIL not in page
    assert "call_id=&lt;script&gt;" in page


def test_before_the_first_check_the_page_says_so(visit: Visit) -> None:
    page = visit("admin").get(PAGE).text
    assert "Проверок ещё не было" in page
    assert "/settings/quality/docs" not in page
    assert visit("admin").get(f"{PAGE}/docs/index.html").status_code == 404


def test_the_docs_are_linked_and_open(visit: Visit, report: Path) -> None:
    analyst = visit("analyst")
    assert PAGE in analyst.get("/settings/connection").text
    assert f"{PAGE}/docs" in analyst.get(PAGE).text
    index = analyst.get(f"{PAGE}/docs").headers["location"]
    page = analyst.get(index)
    assert 'href="expectations/fact_call.html"' in page.text
    assert 'href="validations/fact_call/run/a%20b.html"' in page.text
    assert analyst.get(f"{PAGE}/docs/validations/fact_call/run/a%20b.html").status_code == 200
    policy = page.headers["content-security-policy"]
    assert policy.startswith("sandbox; default-src 'none'")
    assert "script" not in policy
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["cache-control"] == "private, no-store"


def test_the_docs_hold_no_script_and_ask_no_other_host(visit: Visit, report: Path) -> None:
    for path in report.rglob("*.html"):
        if path.is_symlink():
            continue
        text = path.read_text()
        assert not any(part in text for part in ("<script", "https://", "onload", "onclick", "<button")), path


@pytest.mark.parametrize(
    "path",
    [
        "../secret.html",
        "..%2Fsecret.html",
        "%2e%2e%2fsecret.html",
        "%252e%252e%252fsecret.html",
        "expectations/../../secret.html",
        "expectations/..%2F..%2Fsecret.html",
        "..%5Csecret.html",
        "%2Fetc%2Fpasswd",
        "/etc/hosts",
        "link.html",
        "notes.txt",
        "expectations",
        "index.html%00",
        "x" * 300 + ".html",
        "",
    ],
)
def test_nothing_outside_the_folder_is_served(visit: Visit, report: Path, path: str) -> None:
    answer = visit("admin").get(f"{PAGE}/docs/{path}")
    assert answer.status_code == 404, answer.text[:200]
    assert "secret" not in answer.text


def test_others_do_not_get_in(visit: Visit, report: Path) -> None:
    for path in (PAGE, f"{PAGE}/docs", f"{PAGE}/docs/index.html"):
        assert visit(None).get(path).headers["location"].startswith("/sign-in")
        for role in ("head", "manager"):
            assert visit(role).get(path).status_code == 403, (path, role)
