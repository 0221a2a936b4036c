"""Where somebody speaks: probabilities of the Silero model that comes with faster-whisper, cut into pieces."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tasks.audio.sound import FRAMES_PER_SECOND, RATE, Levels, Samples, Sound

WINDOW = 512
CONTEXT = 64
WINDOW_SECONDS = WINDOW / RATE
# Half a minute of windows at once: the model's own batch of 10 000 takes hundreds of megabytes.
BLOCK = 1000

# The pitch of a voice, which telephones cut off below 300 Hz.
PITCH_HZ = (60.0, 400.0)
# The hum of the mains beats like a pitch too.
ABOVE_HUM_HZ = 250.0
# Steady noise never rises so far above its own floor, speech in the worst of lines does.
FLOOR_PERCENTILE, ABOVE_FLOOR_DB = 10, 5.0

Probabilities = NDArray[np.float32]


@dataclass(frozen=True)
class Piece:
    """A stretch of speech in one channel, in seconds; `before` and `after` of it are padding."""

    channel: int
    start: float
    end: float
    before: float = 0.0
    after: float = 0.0

    @property
    def seconds(self) -> float:
        return self.end - self.start


@dataclass(frozen=True)
class SpeechRules:
    """How probabilities become pieces; times in seconds.

    A piece starts at `threshold`, ends after `min_silence` under `threshold - 0.15`, and is widened by `pad` on both sides.
    """

    threshold: float = 0.5
    min_silence: float = 0.16
    min_speech: float = 0.06
    pad: float = 0.4
    longest: float = 29.0


def probabilities(sound: Sound, channel: int, tick: Callable[[], None]) -> Probabilities:
    """Speech probability of every 32 ms of a channel; `tick` is called between blocks and may raise."""
    from faster_whisper.vad import get_vad_model

    session = get_vad_model().session
    h = c = np.zeros((1, 1, 128), np.float32)
    parts = []
    for windows in _windows(sound, channel):
        tick()
        out, h, c = session.run(None, {"input": windows, "h": h, "c": c})
        parts.append(out.reshape(-1))
    return np.concatenate(parts)


def _windows(sound: Sound, channel: int) -> Iterator[NDArray[np.float32]]:
    """Blocks of windows, each with the last samples of the window before it in front, as the model was trained."""
    before = np.zeros(CONTEXT, np.float32)
    step = BLOCK * WINDOW_SECONDS
    for block in range(max(1, int(np.ceil(sound.seconds / step)))):
        samples = sound.read(channel, block * step, (block + 1) * step)
        padded = with_pitch(np.pad(samples, (0, -len(samples) % WINDOW)))
        rows = padded.reshape(-1, WINDOW)
        tails = np.concatenate([before[None], rows[:-1, -CONTEXT:]])
        before = rows[-1, -CONTEXT:]
        yield np.concatenate([tails, rows], axis=1)


def with_pitch(samples: Samples) -> Samples:
    """Samples with the pitch put back that a telephone cut off: the envelope of a voice still beats at it.

    Without it the model hears 0 to 60 % of the speech of a low voice behind a steep 300 Hz filter, with it as much as unfiltered;
    tones, noise and music stay as far below the threshold as before.
    """
    envelope = np.abs(_band(samples, ABOVE_HUM_HZ, RATE / 2))
    return np.asarray(samples + _band(envelope, *PITCH_HZ), np.float32)


def _band(samples: Samples, low: float, high: float) -> Samples:
    spectrum = np.fft.rfft(samples)
    frequencies = np.fft.rfftfreq(len(samples), 1 / RATE)
    spectrum[(frequencies < low) | (frequencies > high)] = 0
    return np.asarray(np.fft.irfft(spectrum, len(samples)), np.float32)


def pieces(probability: Probabilities, channel: int, duration: float, rules: SpeechRules) -> list[Piece]:
    """Speech of one channel in order of time, not overlapping, none longer than `rules.longest`."""
    spans = [span for span in _spans(probability, rules) if (span[1] - span[0]) * WINDOW_SECONDS >= rules.min_speech]
    short = [part for span in spans for part in _split(probability, *span, rules)]
    bounds = [(first * WINDOW_SECONDS, min(last * WINDOW_SECONDS, duration)) for first, last in short]
    return list(_padded(channel, bounds, duration, rules.pad))


def audible(found: Iterable[Piece], levels: Levels) -> list[Piece]:
    """The pieces that rise above the noise floor of their channel; `levels` as in `Sound`."""
    floors = np.percentile(levels, FLOOR_PERCENTILE, axis=1)
    return [piece for piece in found if _loudness(piece, levels) > floors[piece.channel] + ABOVE_FLOOR_DB]


def _loudness(piece: Piece, levels: Levels) -> float:
    """Loudness in dB of the loudest tenth of a piece, without its padding."""
    first, last = (int(t * FRAMES_PER_SECOND) for t in (piece.start + piece.before, piece.end - piece.after))
    return float(np.percentile(levels[piece.channel, first : max(last, first + 1)], 90))


def _spans(probability: Probabilities, rules: SpeechRules) -> Iterator[tuple[int, int]]:
    """Windows (first, after last) of speech, by two thresholds."""
    low = rules.threshold - 0.15
    wait = round(rules.min_silence / WINDOW_SECONDS)
    start = quiet = -1
    for i, p in enumerate(probability):
        if start < 0:
            if p >= rules.threshold:
                start, quiet = i, -1
        elif p >= rules.threshold:
            quiet = -1
        elif p < low:
            quiet = i if quiet < 0 else quiet
            if i - quiet >= wait:
                yield start, quiet
                start = -1
    if start >= 0:
        yield start, len(probability) if quiet < 0 else quiet


def _split(probability: Probabilities, first: int, last: int, rules: SpeechRules) -> Iterator[tuple[int, int]]:
    """The span in parts that with their padding stay under `longest`, cut where speech is least likely."""
    most = int((rules.longest - 2 * rules.pad) / WINDOW_SECONDS)
    while last - first > most:
        half = first + most // 2
        cut = half + int(np.argmin(probability[half : first + most]))
        yield first, cut
        first = cut
    yield first, last


def _padded(channel: int, bounds: list[tuple[float, float]], duration: float, pad: float) -> Iterator[Piece]:
    """Each bound wider by `pad` where there is room; neighbours share a gap that is too small for both."""
    for i, (start, end) in enumerate(bounds):
        room = start - bounds[i - 1][1] if i else 2 * start
        left = bounds[i + 1][0] - end if i + 1 < len(bounds) else 2 * (duration - end)
        before, after = min(pad, room / 2), min(pad, left / 2)
        yield Piece(channel, start - before, end + after, before, after)
