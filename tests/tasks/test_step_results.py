"""Results of finished steps do not outlive their use."""

from __future__ import annotations

import os
from datetime import timedelta

from core import clock
from core.settings import Settings
from tasks import step_results


def test_old_results_go_and_young_ones_stay(settings: Settings) -> None:
    assert step_results.expire(settings, clock.now()) == 0, "a worker that has finished nothing has no folder"
    folder = step_results.folder(settings)
    (folder / "below").mkdir(parents=True)
    for name in ("old", "young"):
        (folder / name).write_bytes(b"quote")
    os.utime(folder / "old", (0, 0))
    assert step_results.expire(settings, clock.now() - timedelta(days=1)) == 1
    assert sorted(path.name for path in folder.iterdir()) == ["below", "young"]


def test_a_key_leads_to_no_other_folder(settings: Settings) -> None:
    folder = step_results.folder(settings)
    folder.mkdir(parents=True)
    outside = settings.root / "secret"
    outside.write_text("kept")
    (folder / "key").write_bytes(b"quote")
    step_results.remove(settings, "/somewhere/storage/key")
    step_results.remove(settings, "../../secret")
    assert outside.exists()
    assert not (folder / "key").exists()
