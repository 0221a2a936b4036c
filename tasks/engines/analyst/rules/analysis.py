"""Everything the engine knows of one call before any checklist is asked: scene, vectors, acts."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from checklists.transcript import Transcript
from core.ids import content_hash
from tasks.engines.analyst.rules import acts
from tasks.engines.analyst.rules.scene import Scene, Turn, scene
from tasks.engines.analyst.rules.semantic import Encoder, Vectors

KEPT = 8  # calls whose analysis is remembered: one call is asked by several checklists and tables in a row


@dataclass(frozen=True)
class Analysis:
    """Lazy, so that a table pays for no sentence vectors."""

    scene: Scene
    models: acts.Models
    encoder: Encoder | None

    @cached_property
    def vectors(self) -> Mapping[int, Vectors] | None:
        """Sentence vectors by place; None without the encoder."""
        if self.encoder is None:
            return None
        rows = self.encoder.encode([t.plain for t in self.scene.turns])
        return {t.place: row for t, row in zip(self.scene.turns, rows, strict=True)}

    @cached_property
    def acts(self) -> Mapping[str, Mapping[int, float]]:
        """Act → place → probability."""
        return acts.score(self.scene, self.models, self.vectors)

    @property
    def kind(self) -> str:
        """Which row of models judges: `semantic` with the encoder, `plain` without."""
        return "plain" if self.encoder is None else "semantic"

    def best(self, act: str) -> list[tuple[Turn, float]]:
        """Turns that may be the act, most likely first."""
        found = ((self.scene.turns[place], p) for place, p in self.acts[act].items())
        return sorted(found, key=lambda pair: (-pair[1], pair[0].place))


class Analyses:
    """The last few analyses, by the words of the call. Thread-safe."""

    def __init__(self, models: acts.Models, encoder: Encoder | None) -> None:
        self._models, self._encoder = models, encoder
        self._kept: OrderedDict[str, Analysis] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, transcript: Transcript) -> Analysis:
        """The analysis of a transcript, made at most once while it is remembered."""
        key = content_hash([[u.speaker, u.text, u.start, u.speaker_confidence] for u in transcript.utterances], 32)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = Analysis(scene(transcript), self._models, self._encoder)
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return made
