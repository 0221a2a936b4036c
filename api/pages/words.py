"""The words of the pages. Russian is the source; English is a catalogue by the Russian text."""

from __future__ import annotations

from pathlib import Path

import yaml

# Russian text: English text; a counted word has its forms by `|`.
CATALOGUE: dict[str, str] = yaml.safe_load(Path(__file__).with_name("english.yaml").read_text(encoding="utf-8"))

ROLES = {"admin": "Администратор", "head": "Руководитель продаж", "analyst": "Аналитик", "manager": "Менеджер"}
STATUS = {"queued": "в очереди", "processing": "обрабатывается", "done": "готов", "failed": "ошибка", "no_speech": "нет речи"}
SPEAKERS = {"manager": "Менеджер", "customer": "Клиент", "unknown": "Кто-то"}
LEVELS = {"good": "хорошо", "fair": "средне", "poor": "слабо", "none": "без оценки"}
MARKS = {1: "выполнен", -1: "не выполнен", 0: "не применим"}
DIRECTIONS = {"in": "входящий", "out": "исходящий"}
DELIVERY = {"pending": "ждёт отправки", "delivered": "доставлен", "dead": "не доставлен"}
EVENTS = {
    "checklist.completed": "результат чек-листа",
    "table.completed": "результат таблицы",
    "call.failed": "звонок не обработан",
    "call.no_speech": "в звонке нет речи",
    "test": "проверка адреса",
}
TIMELINE = {
    "accepted": "Принят от CRM",
    "queued": "Поставлен в очередь",
    "restored": "Восстановлен из копии",
    "retried": "Обработка запущена повторно",
    "started": "Обработка началась",
    "downloaded": "Запись скачана",
    "transcribed": "Расшифрован",
    "scored": "Оценён по чек-листу",
    "extracted": "Разобран по таблице",
    "done": "Готов",
    "failed": "Обработка не удалась",
    "no_speech": "Речи в записи нет",
    "worker_stopped": "Обработка прервана остановкой сервера, продолжится",
    "postponed": "Обработка отложена, продолжится сама",
    "cancelled": "Обработка отменена",
    "marked": "Отметка человека",
    "webhook": "Webhook",
    "rescore_requested": "Запрошен пересчёт",
    "rescored": "Пересчитан",
}
WARNINGS = {
    "address_refused": "адрес записи ведёт во внутреннюю сеть, которая не разрешена",
    "damaged": "запись обрывается или повреждена, оценена та часть, что слышна",
    "duration_mismatch": "длительность отличается от той, что назвала CRM",
    "answering_machine": "на звонок ответил автоответчик",
    "prompt_injection": "в разговоре обращались к проверяющей системе; на оценку это не влияет",
    "prompt_may_be_cut": "языковая модель могла прочитать разговор не целиком",
}
ACTIONS = {
    "key.created": "создан ключ",
    "key.rotated": "заменён ключ",
    "key.revoked": "отозван ключ",
    "call.marked": "отметка этапа",
    "call.unmarked": "отметка снята",
    "call.deleted": "звонок удалён",
    "retention.applied": "удалено по сроку хранения",
    "backup.made": "сделана резервная копия",
    "backup.restored": "восстановлено из резервной копии",
    "call.speakers_swapped": "говорящие поменяны местами",
    "call.rescored": "запрошен пересчёт",
    "calls.rescored": "начат пересчёт звонков",
    "appeal.made": "обращение менеджера",
    "appeal.accepted": "обращение принято",
    "appeal.declined": "обращение отклонено",
    "definition.applied": "новая версия включена",
    "definition.switched_on": "включено",
    "definition.switched_off": "выключено",
    "webhook.set": "задан адрес webhook",
    "webhook.removed": "убран адрес webhook",
    "webhook.enabled": "адрес webhook включён",
    "webhook.rotated": "сменён секрет подписи",
    "webhook.revealed": "показан секрет подписи",
    "webhook.tested": "отправлена проверка",
    "delivery.replayed": "повтор доставки",
    "deliveries.replayed": "повтор доставок",
    "user.created": "добавлен пользователь",
    "user.invited": "выдана ссылка для входа",
    "user.role": "сменена роль",
    "user.disabled": "пользователь отключён",
    "user.enabled": "пользователь включён",
    "user.password": "задан пароль",
    "user.signed_in": "вход",
    "trial.started": "проверка черновика",
    "self_test.started": "самопроверка",
    "export.made": "выгрузка",
}
FIELD_TYPES = {
    "string": "строка",
    "text": "текст",
    "integer": "целое число",
    "number": "число",
    "money": "сумма",
    "bool": "да или нет",
    "date": "дата",
    "datetime": "дата и время",
    "phone": "телефон",
    "email": "почта",
    "inn": "ИНН",
    "person": "имя",
    "enum": "одно из списка",
    "list": "несколько из списка",
}
LIMITS = {
    "rate_limit": "Запросов в минуту на ключ",
    "max_body_bytes": "Размер тела запроса",
    "max_audio_bytes": "Размер записи",
    "max_audio_seconds": "Длительность записи, секунд",
    "download_seconds": "Скачивание записи, секунд",
    "probe_seconds": "Проверка адреса записи при приёме, секунд",
    "webhook_seconds": "Одна попытка webhook, секунд",
    "webhook_give_up_seconds": "Через сколько отключается молчащий адрес, секунд",
    "worker_limit": "Звонков обрабатывается одновременно",
    "max_attempts": "Запусков одного звонка, прежде чем он считается сбойным",
}
RESCORES = {"waiting": "ждёт очереди", "running": "идёт", "done": "завершён", "failed": "прерван", "unknown": "нет сведений"}
PARTIES = {"manager": "менеджер", "customer": "клиент", "any": "любой"}


def translate(text: str, language: str) -> str:
    """The text in `language`; what has no translation stays Russian."""
    return CATALOGUE.get(text, text) if language == "en" else text
