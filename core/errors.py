"""The one error tree. The class decides retries; the code is stable for machines; the text is for people.

RopError
├── PermanentError            a repeat cannot help: never retried
│   ├── InvalidInput          what the caller sent is wrong (HTTP 400)
│   ├── NotAuthenticated      no key, or not a valid one (401)
│   ├── NotFound              no such thing (404)
│   ├── Conflict              it exists already (409)
│   ├── BadAudio              the recording cannot be used
│   ├── BadDefinition         a checklist or a table that could never be scored
│   ├── AddressRefused        the guarded client will not go there
│   ├── SourceRefused         the file server says no, and will say it again
│   ├── LeaseLost             another attempt owns the call now
│   └── Cancelled             a person cancelled the run
└── TransientError            a repeat may help: retried with back-off
    ├── RateLimited           slow down, see retry_after (429)
    ├── Unreachable           another server gave no usable answer
    └── Unavailable           a dependency is down (503)
"""

from __future__ import annotations

from typing import Any, ClassVar


class RopError(Exception):
    """An error a person can act on: a stable `code`, texts in Russian and English, fields for machines.

    `texts` holds the templates (`ru`, `en`); keyword arguments fill them and stay on `fields`.
    """

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    texts: ClassVar[dict[str, str]] = {
        "ru": "Внутренняя ошибка сервера.",
        "en": "Internal server error.",
    }

    def __init__(self, code: str | None = None, *, ru: str | None = None, en: str | None = None, **fields: Any) -> None:
        self.reason = code or self.code
        self.fields = fields
        self._texts = {"ru": ru or self.texts["ru"], "en": en or ru or self.texts["en"]}
        super().__init__(self.text("en"))

    def text(self, language: str = "ru") -> str:
        """The sentence for people in `ru` or `en`; unknown placeholders stay as they are."""
        template = self._texts.get(language, self._texts["ru"])
        try:
            return template.format(**self.fields)
        except (KeyError, IndexError, ValueError):
            return template

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.reason, self._texts, self.fields))


def _rebuild(cls: type[RopError], code: str, texts: dict[str, str], fields: dict[str, Any]) -> RopError:
    return cls(code, ru=texts["ru"], en=texts["en"], **fields)


def as_rop(error: Exception) -> RopError:
    """The error itself, or an internal one in place of what nobody foresaw."""
    return error if isinstance(error, RopError) else RopError()


class PermanentError(RopError):
    """A repeat cannot help."""

    code = "permanent"


class TransientError(RopError):
    """A repeat may help; `retry_after` (seconds) is the other side's wish, if it gave one."""

    code = "transient"
    status = 503

    @property
    def retry_after(self) -> float | None:
        value = self.fields.get("retry_after")
        return None if value is None else float(value)


class InvalidInput(PermanentError):
    code = "invalid_request"
    status = 400
    texts: ClassVar[dict[str, str]] = {"ru": "Некорректные параметры запроса.", "en": "Invalid request parameters."}


class NotAuthenticated(PermanentError):
    code = "invalid_api_key"
    status = 401
    texts: ClassVar[dict[str, str]] = {"ru": "Неверный или отсутствующий API ключ.", "en": "Wrong or missing API key."}


class NotFound(PermanentError):
    code = "not_found"
    status = 404
    texts: ClassVar[dict[str, str]] = {"ru": "Запрашиваемый ресурс не найден.", "en": "Not found."}


class Conflict(PermanentError):
    code = "conflict"
    status = 409
    texts: ClassVar[dict[str, str]] = {"ru": "Такие данные уже есть.", "en": "Already exists."}


class BadAudio(PermanentError):
    code = "not_audio"
    status = 400
    texts: ClassVar[dict[str, str]] = {"ru": "Файл не является аудио MP3, WAV или OGG.", "en": "The file is not MP3, WAV or OGG audio."}


class BadDefinition(PermanentError):
    code = "bad_definition"
    status = 400
    texts: ClassVar[dict[str, str]] = {
        "ru": "Ошибка в описании чек-листа или таблицы.",
        "en": "The checklist or table definition is wrong.",
    }


class AddressRefused(PermanentError):
    code = "address_refused"
    status = 400
    texts: ClassVar[dict[str, str]] = {
        "ru": "Адрес {host} не разрешён. Внутренние сети открывает настройка ROP_ALLOWED_NETWORKS.",
        "en": "The address {host} is not allowed. ROP_ALLOWED_NETWORKS opens private networks.",
    }


class SourceRefused(PermanentError):
    """A file server's answer that a repeat will not change, such as 403 or 404; `http_status` is its status."""

    code = "source_refused"
    texts: ClassVar[dict[str, str]] = {
        "ru": "Сервер {host} не отдал запись: ответ {http_status}.",
        "en": "The server {host} did not give the recording: it answered {http_status}.",
    }


class LeaseLost(PermanentError):
    code = "lease_lost"
    texts: ClassVar[dict[str, str]] = {
        "ru": "Звонок обрабатывает другая попытка.",
        "en": "Another attempt owns this call now.",
    }


class Cancelled(PermanentError):
    code = "cancelled"
    texts: ClassVar[dict[str, str]] = {"ru": "Обработка отменена.", "en": "Processing was cancelled."}


class RateLimited(TransientError):
    code = "rate_limited"
    status = 429
    texts: ClassVar[dict[str, str]] = {
        "ru": "Слишком много запросов, повторите через {retry_after} с.",
        "en": "Too many requests, retry in {retry_after} s.",
    }


class Unreachable(TransientError):
    """Another server gave no usable answer; `reason` is one of the codes of `core.http`."""

    code = "unreachable"
    texts: ClassVar[dict[str, str]] = {"ru": "Сервер {host} недоступен.", "en": "The server {host} is not reachable."}


class Unavailable(TransientError):
    code = "unavailable"
    status = 503
    texts: ClassVar[dict[str, str]] = {"ru": "Сервис временно недоступен, повторите позже.", "en": "Temporarily unavailable, retry later."}
