"""Recognition in this process: faster-whisper, one model shared by all calls of the worker."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import structlog

from checklists.transcript import Word
from core.errors import PermanentError
from core.settings import Settings
from tasks.audio.sound import RATE, Samples
from tasks.engines.asr import Job, Progress, Recognition, weights
from tasks.engines.asr.hearing import Heard
from tasks.engines.asr.loops import loops
from tasks.engines.asr.pipeline import recognise

if TYPE_CHECKING:
    from faster_whisper import WhisperModel
    from faster_whisper.transcribe import Segment

log = structlog.get_logger(__name__)

# A batch is decoded at one temperature; these are the signs that it went round in circles and must be heard again.
MAX_COMPRESSION = 2.4
MIN_LOGPROB = -1.0
# Clips at once. On a CPU four are as fast as eight and take 200 MB less; on a GPU a full batch keeps it busy.
BATCH = {"cpu": 4, "cuda": 16}
# Languages written without spaces: there a word without a space in front is a word all the same.
SPACELESS = frozenset({"zh", "ja", "th", "lo", "my", "yue"})


class WhisperTranscriber:
    """`Transcriber` over faster-whisper. The model is loaded once and serves `asr_parallel` calls at the same time."""

    engine = "whisper"
    clip_seconds = 29.5

    def __init__(self, settings: Settings) -> None:
        self.model = settings.asr_model
        self.batch = settings.asr_batch or BATCH[device_of(settings)[0]]
        self._settings = settings
        self._lock = threading.Lock()
        self._loaded: WhisperModel | None = None

    def load(self) -> None:
        """Raises `ModelUnavailable` with the cure when there are no weights or they cannot be used on this device."""
        self._whisper()

    def transcribe(self, job: Job, progress: Progress) -> Recognition:
        return recognise(job, self, self._settings, progress)

    def hear(self, clips: Sequence[Samples], language: str | None, hotwords: Sequence[str]) -> list[Heard]:
        from faster_whisper import BatchedInferencePipeline

        model = self._whisper()
        bounds = _bounds(clips)
        segments, info = BatchedInferencePipeline(model).transcribe(
            np.concatenate(clips),
            language=language,
            beam_size=self._settings.asr_beam,
            batch_size=self.batch,
            word_timestamps=True,
            clip_timestamps=[{"start": start, "end": end} for start, end in bounds],
            hotwords=", ".join(hotwords) or None,
            language_detection_segments=len(clips),
        )
        groups = _by_clip(list(segments), bounds)
        heard = zip(clips, bounds, groups, strict=True)
        return [self._heard(clip, group, start, info.language) for clip, (start, _), group in heard]

    def _heard(self, clip: Samples, segments: list[Segment], offset: float, language: str) -> Heard:
        if any(_suspicious(segment) for segment in segments):
            segments, offset = self._again(clip, language), 0.0
        words = [word for segment in segments for word in segment.words or ()]
        no_speech = max((segment.no_speech_prob for segment in segments), default=0.0)
        return Heard(tuple(_words(words, offset, language)), language, no_speech)

    def _again(self, clip: Samples, language: str) -> list[Segment]:
        """The clip by itself, with rising temperature until the text no longer repeats itself."""
        segments, _ = self._whisper().transcribe(
            clip,
            language=language,
            beam_size=self._settings.asr_beam,
            word_timestamps=True,
            condition_on_previous_text=False,
            compression_ratio_threshold=MAX_COMPRESSION,
            log_prob_threshold=MIN_LOGPROB,
        )
        return list(segments)

    def _whisper(self) -> WhisperModel:
        with self._lock:
            if self._loaded is None:
                self._loaded = _load(self._settings)
            return self._loaded


def device_of(settings: Settings) -> tuple[str, str]:
    """Device and number format that would be used: what the settings say, or the measured best of this machine."""
    import ctranslate2

    device = settings.asr_device
    if device == "auto":
        device = "cuda" if ctranslate2.get_cuda_device_count() else "cpu"
    compute = settings.asr_compute_type
    if compute == "auto":
        compute = "float16" if device == "cuda" else "int8"
    return device, compute


def _load(settings: Settings) -> WhisperModel:
    from faster_whisper import WhisperModel

    source = weights.locate(settings)
    device, compute = device_of(settings)
    log.info("asr_model_loading", model=settings.asr_model, weights=source.kind, device=device, compute=compute)
    folder = weights.resolve(settings, _log_progress)
    try:
        return WhisperModel(
            str(folder),
            device=device,
            compute_type=compute,
            cpu_threads=settings.asr_cpu_threads,
            num_workers=settings.asr_parallel,
            local_files_only=True,
        )
    except (RuntimeError, ValueError, OSError) as error:
        raise PermanentError(
            "model_unusable",
            ru="Модель в {folder} не загружается на {device} в формате {compute}: {why}",
            en="The model in {folder} cannot be loaded on {device} as {compute}: {why}",
            folder=str(folder),
            device=device,
            compute=compute,
            why=str(error)[:200],
        ) from error


def _log_progress(done: int, total: int) -> None:
    quarter = total // 4
    if quarter and done // quarter != (done - weights.CHUNK) // quarter:
        log.info("asr_weights", percent=100 * done // total)


def _bounds(clips: Sequence[Samples]) -> list[tuple[float, float]]:
    ends = np.cumsum([len(clip) for clip in clips])
    return [((end - len(clip)) / RATE, end / RATE) for clip, end in zip(clips, ends, strict=True)]


def _by_clip(segments: list[Segment], bounds: list[tuple[float, float]]) -> list[list[Segment]]:
    """Segments name their clip by the feature frame it starts at."""
    starts = [start for start, _ in bounds]
    groups: list[list[Segment]] = [[] for _ in bounds]
    for segment in segments:
        groups[bisect_right(starts, segment.seek / 100 + 0.02) - 1].append(segment)
    return groups


def _suspicious(segment: Segment) -> bool:
    if segment.compression_ratio > MAX_COMPRESSION or segment.avg_logprob < MIN_LOGPROB:
        return True
    return loops([word.word for word in segment.words or ()])


def _words(raw: Iterable[object], offset: float, language: str) -> list[Word]:
    """Whole words: what follows without a space («кто» + «-то») belongs to the word before it."""
    words: list[Word] = []
    for piece in raw:
        start, end, text, chance = piece.start, piece.end, piece.word, piece.probability  # type: ignore[attr-defined]
        if words and not text.startswith(" ") and language not in SPACELESS:
            last = words[-1]
            words[-1] = Word(start=last.start, end=end - offset, text=last.text + text, confidence=min(last.confidence, chance))
        elif text.strip():
            words.append(Word(start=start - offset, end=end - offset, text=text.strip(), confidence=chance))
    return words
