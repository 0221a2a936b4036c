"""What would transcribe on this machine, and why, for `rop doctor`."""

from __future__ import annotations

import os
from collections.abc import Iterator

from core.errors import RopError
from core.settings import Settings
from tasks.engines.asr import voices, weights

Line = tuple[str, str, bool]


def doctor(settings: Settings) -> list[Line]:
    """Lines of (name, what would be used and why, whether that works), in Russian. Loads no model; asks a remote server once."""
    engine = _server(settings) if settings.asr_engine == "openai" else _local(settings)
    return [*engine, _voices(), _threads()]


def _local(settings: Settings) -> Iterator[Line]:
    from tasks.engines.asr.whisper import device_of

    device, compute = device_of(settings)
    why = (
        f"задано ROP_ASR_DEVICE={settings.asr_device}" if settings.asr_device != "auto" else "CUDA есть" if device == "cuda" else "CUDA нет"
    )
    threads = f"потоков на звонок {settings.asr_cpu_threads}, звонков сразу {settings.asr_parallel}"
    yield "Распознавание", f"whisper {settings.asr_model}, {device} ({why}), {compute}, луч {settings.asr_beam}, {threads}", True
    yield _weights(settings)


def _weights(settings: Settings) -> Line:
    source = weights.locate(settings)
    try:
        if source.kind == "folder":
            weights.resolve(settings)
        elif source.kind == "hub":
            raise weights.unavailable(settings.asr_model, "на этой машине их нет")
    except RopError as error:
        return "Веса модели", error.text("ru"), False
    names = {"folder": "папка", "cache": "проверенная копия", "packages": "pip-пакеты, при запуске будут соединены и проверены"}
    return "Веса модели", f"{names[source.kind]}: {source.folder}", True


def _server(settings: Settings) -> Iterator[Line]:
    from tasks.engines.asr.openai import OpenAITranscriber

    try:
        OpenAITranscriber(settings).load()
    except RopError as error:
        yield "Распознавание", error.text("ru"), False
    else:
        yield "Распознавание", f"сервер {settings.asr_url}, модель {settings.asr_url_model}", True


def _voices() -> Line:
    try:
        voices.encoder()
    except voices.VoicesUnavailable as error:
        return "Голоса в моно-записях", error.text("ru"), False
    return "Голоса в моно-записях", f"кодировщик GE2E из пакета {voices.PACKAGE}", True


def _threads() -> Line:
    """Threads of numpy spin while they wait: on a busy machine they make the voices twenty times slower."""
    limited = "1" in {os.environ.get("OPENBLAS_NUM_THREADS"), os.environ.get("OMP_NUM_THREADS")}
    what = "numpy в один поток" if limited else "задайте OMP_NUM_THREADS=1: потоки numpy мешают параллельным звонкам"
    return "Потоки", what, limited
