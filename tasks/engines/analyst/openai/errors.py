"""What can go wrong with a model server. The class decides retries (`core.errors`); nothing here repeats the server's own words,
because they may hold the key or the conversation.

PermanentError
├── NotConfigured       no address of a server
├── KeyRefused          401, 403
├── RequestRefused      any other 4xx, a redirect; `http_status`, `server_code`
├── PromptTooLong       the model's context is smaller than the setting says
├── BudgetTooSmall      the setting leaves no room for the conversation
├── QuotaSpent          429 because the account is empty
├── ModelRefused        the model will not judge this conversation
├── AnswerCut           finish_reason `length`
└── AnswerFiltered      finish_reason `content_filter`
TransientError
├── BadAnswer           not the form we asked for, also after a repair
└── core: RateLimited (429), Unreachable (timeout, connection), Unavailable (5xx)
"""

from __future__ import annotations

from typing import ClassVar

from core.errors import PermanentError, TransientError


class NotConfigured(PermanentError):
    code = "llm_url_missing"
    texts: ClassVar[dict[str, str]] = {
        "ru": "Для движка openai нужен адрес сервера модели в ROP_LLM_URL.",
        "en": "The openai engine needs the address of a model server in ROP_LLM_URL.",
    }


class KeyRefused(PermanentError):
    code = "llm_key_refused"
    texts: ClassVar[dict[str, str]] = {
        "ru": "Сервер модели {host} не принял ключ (ответ {http_status}): проверьте ROP_LLM_API_KEY.",
        "en": "The model server {host} refused the key ({http_status}): check ROP_LLM_API_KEY.",
    }


class RequestRefused(PermanentError):
    code = "llm_request_refused"
    texts: ClassVar[dict[str, str]] = {
        "ru": "Сервер модели {host} отклонил запрос: ответ {http_status} {server_code}. Проверьте ROP_LLM_URL и ROP_LLM_MODEL.",
        "en": "The model server {host} refused the request: {http_status} {server_code}. Check ROP_LLM_URL and ROP_LLM_MODEL.",
    }


class PromptTooLong(PermanentError):
    code = "llm_prompt_too_long"
    texts: ClassVar[dict[str, str]] = {
        "ru": "Разговор не помещается в окно модели: уменьшите ROP_LLM_INPUT_TOKENS (сейчас {limit}).",
        "en": "The conversation does not fit the model's context: lower ROP_LLM_INPUT_TOKENS (now {limit}).",
    }


class BudgetTooSmall(PermanentError):
    code = "llm_budget_too_small"
    texts: ClassVar[dict[str, str]] = {
        "ru": "Описание занимает {task} токенов из {limit}, разговору места нет: увеличьте ROP_LLM_INPUT_TOKENS или разделите описание.",
        "en": "The definition takes {task} of {limit} tokens: raise ROP_LLM_INPUT_TOKENS or split the definition.",
    }


class QuotaSpent(PermanentError):
    code = "llm_quota_spent"
    texts: ClassVar[dict[str, str]] = {
        "ru": "На счёте сервера модели {host} закончились средства.",
        "en": "The account at the model server {host} is out of credit.",
    }


class ModelRefused(PermanentError):
    code = "llm_refused"
    texts: ClassVar[dict[str, str]] = {
        "ru": "Модель отказалась оценивать этот разговор.",
        "en": "The model refused to judge this conversation.",
    }


class AnswerCut(PermanentError):
    code = "llm_answer_cut"
    texts: ClassVar[dict[str, str]] = {
        "ru": "Ответ модели не поместился в её предел длины. Увеличьте предел на сервере или разделите описание на два.",
        "en": "The model's answer hit its length limit. Raise the limit at the server or split the definition in two.",
    }


class AnswerFiltered(PermanentError):
    code = "llm_answer_filtered"
    texts: ClassVar[dict[str, str]] = {
        "ru": "Фильтр содержимого сервера модели не пропустил этот разговор.",
        "en": "The content filter of the model server stopped this conversation.",
    }


class BadAnswer(TransientError):
    code = "llm_bad_answer"
    texts: ClassVar[dict[str, str]] = {
        "ru": "Модель ответила не по форме: {what}.",
        "en": "The model's answer does not have the agreed form: {what}.",
    }
