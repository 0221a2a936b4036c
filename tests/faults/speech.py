"""What is said in the calls of fault tests, and a recogniser that hears it at once: a call costs a tenth of a second."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from tests.peers import sounds
from tests.peers.asr_peer import Say, Upload

DIALOGUE = Path(__file__).parents[1] / "data" / "dialogue.ogg"
FROM_SECONDS = 8  # before it only one of the two has spoken
SENTENCE = "добрый день меня зовут анна компания маяк расскажите какую задачу вы хотите решить"


def hear(upload: Upload) -> Say:
    """A recogniser that hears one greeting, spread over whatever it gets."""
    said = SENTENCE.split()
    step = upload.seconds / len(said)
    words = [{"word": word, "start": i * step, "end": (i + 0.9) * step} for i, word in enumerate(said)]
    segment = {"id": 0, "start": 0.0, "end": upload.seconds, "text": SENTENCE, "avg_logprob": -0.1, "no_speech_prob": 0.01}
    return Say({"language": "russian", "duration": upload.seconds, "text": SENTENCE, "words": words, "segments": [segment]})


def recording(seconds: float = 8.0) -> bytes:
    """A short stereo recording with real speech on both channels."""
    spoken = sounds.read(DIALOGUE)[:, FROM_SECONDS * 8000 : int((FROM_SECONDS + seconds) * 8000)]
    with TemporaryDirectory() as folder:
        return sounds.write(Path(folder) / "call.wav", spoken, "pcm_s16le").read_bytes()
