"""Finds a Chromium for the page tests, installs Debian's where that is allowed, and says what to do where it is not.

Silent when there is one. Never fails: without a browser its tests are skipped, with the same sentence.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
ADVICE = "no Chromium: the page tests are skipped. Install it, on Debian with: apt-get install chromium"
# A machine without a network must not wait for it.
IMPATIENT = ("-oAcquire::Retries=0", "-oAcquire::http::Timeout=15", "-oAcquire::https::Timeout=15", "-oDPkg::Lock::Timeout=60")
SECONDS = 600.0


def find() -> str | None:
    """The path of the browser, None without one."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


def install() -> None:
    """Ask apt for it where we are root; whether it worked shows in `find`."""
    if os.geteuid() or not shutil.which("apt-get"):
        return
    print("installing Chromium for the page tests", file=sys.stderr)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update"], ["install", "--yes", "--no-install-recommends", "chromium"]):
        try:
            subprocess.run(
                ["apt-get", *IMPATIENT, *command],
                env=environment,
                check=True,
                timeout=SECONDS,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        except subprocess.SubprocessError:
            return


def main() -> None:
    if find() is None:
        install()
    if find() is None:
        print(ADVICE, file=sys.stderr)


if __name__ == "__main__":
    main()
