"""A real browser for page tests and benches: Debian's Chromium, one process a run, no network but loopback."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Dialog, Page, sync_playwright

from bench._house import PASSWORD
from scripts.browser import ADVICE, find

ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run", "--disable-sync"]
AXE = Path(__file__).resolve().parents[1] / "tests" / "pages" / "vendor" / "axe-core" / "axe.min.js.gz"
SERIOUS = ("serious", "critical")


@dataclass
class Seen:
    """A page and what happened on it that should not."""

    page: Page
    base: str
    trouble: list[str] = field(default_factory=list)

    def dialog(self, dialog: Dialog) -> None:
        """Note it and close it."""
        self.trouble.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def open(self, path: str) -> Page:
        """Go there and wait until it is quiet."""
        answer = self.page.goto(f"{self.base}{path}")
        assert answer is not None
        assert answer.status == 200, path
        self.page.wait_for_load_state("load")
        return self.page

    def complaints(self) -> list[str]:
        """What axe-core finds serious, as rule and elements."""
        self.page.evaluate(gzip.decompress(AXE.read_bytes()).decode())
        found: dict[str, Any] = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            json.dumps([one["id"], one["help"], [node["html"][:200] for node in one["nodes"][:3]]], ensure_ascii=False)
            for one in found["violations"]
            if one["impact"] in SERIOUS
        ]

    def until(self, expression: str, seconds: float = 10.0) -> None:
        """Wait for a value to become true; the page's own policy forbids the browser to evaluate text, so we ask from outside."""
        deadline = time.monotonic() + seconds
        while not self.page.evaluate(expression):
            assert time.monotonic() < deadline, expression
            self.page.wait_for_timeout(50)

    def overflows(self) -> bool:
        """Whether the page is wider than the window."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth > window.innerWidth + 1"))


@contextmanager
def browser() -> Iterator[Browser]:
    """The browser; raises `LookupError` that says what to install."""
    program = find()
    if program is None:
        raise LookupError(ADVICE)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield started
        started.close()


@contextmanager
def visitor(chromium: Browser, base: str, role: str | None = "head", **options: Any) -> Iterator[Seen]:
    """A fresh window, signed in as that person; everything odd is written down."""
    context = chromium.new_context(locale="ru-RU", **({"viewport": {"width": 1440, "height": 900}} | options))
    context.set_default_timeout(10_000)
    page = context.new_page()
    seen = Seen(page, base)
    page.on("console", lambda message: seen.trouble.append(f"console: {message.text}") if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: seen.trouble.append(f"error: {error}"))
    page.on("dialog", seen.dialog)
    page.on("request", lambda asked: None if asked.url.startswith((base, "data:")) else seen.trouble.append(f"foreign: {asked.url}"))
    if role is not None:
        page.goto(f"{base}/sign-in")
        page.fill("#login", role)
        page.fill("#password", PASSWORD)
        page.click("button.main-action")
        page.wait_for_url(f"{base}/")
    try:
        yield seen
    finally:
        context.close()
