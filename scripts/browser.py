"""Finds a Chromium for the page tests, installs Debian's where that is allowed, and says what to do where it is not.

Prints the path of the program; exit code 1 when there is none.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
ADVICE = "no Chromium: the page tests are skipped. Install it, on Debian with: apt-get install chromium"


def find() -> str | None:
    """The path of the browser, None without one."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def install() -> None:
    """Ask apt for it where we are root; whether it worked shows in `find`."""
    if os.geteuid() == 0 and shutil.which("apt-get"):
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        for command in (["update"], ["install", "--yes", "--no-install-recommends", "chromium"]):
            subprocess.run(["apt-get", *command], check=False, **quiet)  # type: ignore[call-overload]


def main() -> None:
    if find() is None:
        install()
    found = find()
    print(found or ADVICE, file=sys.stdout if found else sys.stderr)
    sys.exit(found is None)


if __name__ == "__main__":
    main()
