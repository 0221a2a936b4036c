"""Where something was said: conversations by Russian word forms, from the analysts' warehouse."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query

from api.answers import keyed
from api.auth import RequiredKey
from api.context import Ctx
from api.schemas import Found, FoundCall
from core.settings import Settings
from warehouse import search
from warehouse.search import Hit

MOST, USUAL = 100, 20  # calls in one answer
MAX_WORDS = 200  # characters of a question

router = APIRouter(tags=["Звонки"])

Words = Annotated[str, Query(min_length=1, max_length=MAX_WORDS, description="Слова в любой форме; нужны все", examples=["скидка клиенту"])]
Limit = Annotated[int, Query(ge=1, le=MOST, description="Сколько звонков вернуть")]
Since = Annotated[date | None, Query(description="Первый день разговоров")]
Until = Annotated[date | None, Query(description="Последний день разговоров")]


@router.get("/search", summary="Поиск по разговорам", responses=keyed(400, 404))
def find(
    context: Ctx,
    _caller: RequiredKey,
    q: Words,
    limit: Limit = USUAL,
    since: Since = None,
    until: Until = None,
) -> Found:
    """Звонки, где прозвучали все слова, с репликой и её временем. Новый звонок находится, как только попал в хранилище аналитики."""
    hits = search.search(context.settings, q, limit, since or search.FIRST_DAY, until or search.LAST_DAY)
    return Found(found=[_answer(hit, context.settings) for hit in hits])


def _answer(hit: Hit, settings: Settings) -> FoundCall:
    return FoundCall(
        call_id=hit.call_id,
        started_at=hit.started_local.replace(tzinfo=ZoneInfo(settings.time_zone)),
        manager=hit.manager,
        speaker=hit.speaker,
        seconds=hit.seconds,
        text=hit.text,
    )
