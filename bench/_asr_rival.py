"""Runs inside a rival's environment: `python _asr_rival.py ENGINE WEIGHTS WAV`, one thread, beam 5; prints `{"text", "cpu_seconds"}`.

The weights come from the CTranslate2 file, so that every engine has the same. Formats: CTranslate2's `model_spec.py` (version 6),
whisper.cpp's `convert-pt-to-ggml.py`.
"""

from __future__ import annotations

import base64
import json
import struct
import sys
import tempfile
import time
import wave
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
import whisper
from whisper.model import ModelDimensions, Whisper

DTYPES = {0: "<f4", 1: "<i1", 2: "<i2", 3: "<i4", 4: "<f2"}
DIMENSIONS = ModelDimensions(80, 1500, 512, 8, 6, 51865, 448, 512, 8, 6)
FLOAT32, FLOAT16 = 0, 1
BEAM = 5


def main(engine: str, folder: Path, path: Path) -> dict[str, Any]:
    tensors = openai_names(read_ct2(folder / "model.bin"))
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.float32) / 32768
    run = {"openai-whisper": openai_whisper, "whisper.cpp": whisper_cpp}[engine]
    text, seconds = run(tensors, samples)
    return {"text": text, "cpu_seconds": seconds}


def openai_whisper(tensors: dict[str, Any], samples: Any) -> tuple[str, float]:
    torch.set_num_threads(1)
    model = Whisper(DIMENSIONS)
    model.load_state_dict({name: torch.from_numpy(value.copy()) for name, value in tensors.items()})
    begun = time.process_time()
    result = model.eval().transcribe(samples, language="ru", beam_size=BEAM, fp16=False)
    return result["text"], time.process_time() - begun


def whisper_cpp(tensors: dict[str, Any], samples: Any) -> tuple[str, float]:
    from pywhispercpp.model import Model

    with tempfile.NamedTemporaryFile(suffix=".bin") as file:
        write_ggml(file, tensors)  # type: ignore[arg-type]
        file.flush()
        model = Model(file.name, params_sampling_strategy=1, n_threads=1, language="ru", print_progress=False)
        begun = time.process_time()
        segments = model.transcribe(samples, beam_search={"beam_size": BEAM, "patience": -1.0})
        return " ".join(segment.text for segment in segments), time.process_time() - begun


def read_ct2(path: Path) -> dict[str, Any]:
    """All variables of a CTranslate2 model in float32."""
    with path.open("rb") as file:
        file.read(4)
        _string(file)
        _revision, count = struct.unpack("<II", file.read(8))
        return dict(_variable(file) for _ in range(count))


def _string(file: BinaryIO) -> str:
    return file.read(struct.unpack("<H", file.read(2))[0]).rstrip(b"\0").decode()


def _variable(file: BinaryIO) -> tuple[str, Any]:
    name = _string(file)
    rank = file.read(1)[0]
    shape = struct.unpack(f"<{rank}I", file.read(4 * rank))
    dtype, size = struct.unpack("<BI", file.read(5))
    return name, np.frombuffer(file.read(size), DTYPES[dtype]).astype(np.float32).reshape(shape)


def openai_names(ct2: dict[str, Any]) -> dict[str, Any]:
    """The same tensors as OpenAI's code names them; fused projections taken apart."""
    out = {
        "encoder.positional_embedding": ct2["encoder/position_encodings/encodings"],
        "decoder.positional_embedding": ct2["decoder/position_encodings/encodings"],
        "decoder.token_embedding.weight": ct2["decoder/embeddings/weight"],
    }
    for conv in ("conv1", "conv2"):
        for kind in ("weight", "bias"):
            out[f"encoder.{conv}.{kind}"] = ct2[f"encoder/{conv}/{kind}"]
    out |= _norm(ct2, "encoder/layer_norm", "encoder.ln_post") | _norm(ct2, "decoder/layer_norm", "decoder.ln")
    for side in ("encoder", "decoder"):
        for i in range(6):
            out |= _block(ct2, f"{side}/layer_{i}", f"{side}.blocks.{i}", cross=side == "decoder")
    return out


def _block(ct2: dict[str, Any], old: str, new: str, *, cross: bool) -> dict[str, Any]:
    out = _norm(ct2, f"{old}/self_attention/layer_norm", f"{new}.attn_ln") | _norm(ct2, f"{old}/ffn/layer_norm", f"{new}.mlp_ln")
    out |= _linear(ct2, f"{old}/ffn/linear_0", (f"{new}.mlp.0",)) | _linear(ct2, f"{old}/ffn/linear_1", (f"{new}.mlp.2",))
    out |= _linear(ct2, f"{old}/self_attention/linear_0", tuple(f"{new}.attn.{part}" for part in ("query", "key", "value")))
    out |= _linear(ct2, f"{old}/self_attention/linear_1", (f"{new}.attn.out",))
    if cross:
        out |= _norm(ct2, f"{old}/attention/layer_norm", f"{new}.cross_attn_ln")
        out |= _linear(ct2, f"{old}/attention/linear_0", (f"{new}.cross_attn.query",))
        out |= _linear(ct2, f"{old}/attention/linear_1", (f"{new}.cross_attn.key", f"{new}.cross_attn.value"))
        out |= _linear(ct2, f"{old}/attention/linear_2", (f"{new}.cross_attn.out",))
    return out


def _norm(ct2: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    return {f"{new}.weight": ct2[f"{old}/gamma"], f"{new}.bias": ct2[f"{old}/beta"]}


def _linear(ct2: dict[str, Any], old: str, parts: tuple[str, ...]) -> dict[str, Any]:
    weights, biases = np.split(ct2[f"{old}/weight"], len(parts)), np.split(ct2[f"{old}/bias"], len(parts))
    out = {f"{part}.weight": weight for part, weight in zip(parts, weights, strict=True)}
    return out | {f"{part}.bias": bias for part, bias in zip(parts, biases, strict=True) if not part.endswith("key")}


def write_ggml(file: BinaryIO, tensors: dict[str, Any]) -> None:
    d = DIMENSIONS
    audio = (d.n_audio_ctx, d.n_audio_state, d.n_audio_head, d.n_audio_layer)
    words = (d.n_text_ctx, d.n_text_state, d.n_text_head, d.n_text_layer)
    file.write(struct.pack("<12i", 0x67676D6C, d.n_vocab, *audio, *words, d.n_mels, FLOAT16))
    assets = Path(whisper.__file__).parent / "assets"
    filters = np.load(assets / "mel_filters.npz")["mel_80"]
    file.write(struct.pack("<2i", *filters.shape) + filters.astype("<f4").tobytes())
    tokens = [base64.b64decode(line.split()[0]) for line in (assets / "multilingual.tiktoken").read_bytes().splitlines() if line]
    file.write(struct.pack("<i", len(tokens)) + b"".join(struct.pack("<i", len(token)) + token for token in tokens))
    for name, value in tensors.items():
        _write_tensor(file, name, value)


def _write_tensor(file: BinaryIO, name: str, value: Any) -> None:
    data = value.reshape(-1, 1) if name in {"encoder.conv1.bias", "encoder.conv2.bias"} else value
    small = data.ndim < 2 or data.shape[-1] == 1 or name.endswith("positional_embedding")
    file.write(struct.pack("<3i", data.ndim, len(name), FLOAT32 if small else FLOAT16))
    file.write(struct.pack(f"<{data.ndim}i", *reversed(data.shape)) + name.encode())
    file.write(data.astype("<f4" if small else "<f2").tobytes())


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])), ensure_ascii=False))
