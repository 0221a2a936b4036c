"""What a draft would have said about calls that are judged already: asked for, then read until it is over."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Depends, Path
from sqlalchemy.orm import Session

from api.answers import keyed
from api.auth import RequiredKey
from api.bodies import body
from api.context import Context, Ctx, Language
from api.fields import Id
from api.openapi import accepts
from api.schemas import TrialAnswer, TrialBody, TrialCall, TrialChange
from checklists import loader
from checklists.comparison import flips, sums
from core import clock
from core.errors import InvalidInput, NotFound, RopError
from db import overview, trials
from db.models import Trial
from db.overview import CallFilter
from tasks import dispatch
from tasks.prefect_api import PrefectUnavailable

USUAL = 20  # calls a trial takes when nothing else is said
SOURCE = "definition"  # the name that mistakes of the draft are told under

router = APIRouter(tags=["Проверка черновика"], prefix="/trials")
TrialId = Annotated[Id, Path(description="ID проверки", examples=["trial_1a2b3c"])]


@router.post("", summary="Проверить черновик на готовых звонках", openapi_extra=accepts(TrialBody), responses=keyed(400, 413))
def start(context: Ctx, caller: RequiredKey, language: Language, sent: Annotated[TrialBody, Depends(body(TrialBody))]) -> TrialAnswer:
    """Оценивает последние звонки по черновику в фоне и сравнивает с действующими результатами; ничего не публикуется."""
    draft = loader.load_text(sent.definition, SOURCE)
    with context.database.begin() as session:
        row = trials.create(session, draft, _latest(session, context, sent.last or USUAL), f"api:{caller.key_id}", clock.now())
    _run(context, row.trial_id)
    return _answer(row, language)


@router.get("/{trial_id}", summary="Ход и итог проверки", responses=keyed(400, 404))
def show(context: Ctx, _caller: RequiredKey, language: Language, trial_id: TrialId) -> TrialAnswer:
    """Что известно к этому времени; проверка окончена при статусе `done` или `failed`."""
    with context.database.read() as session:
        return _answer(trials.get(session, trial_id), language)


def _latest(session: Session, context: Context, last: int) -> list[str]:
    found = overview.ids(session, CallFilter(status="done"), min(last, context.settings.trial_calls))
    if not found:
        raise InvalidInput(ru="Проверять пока не на чем: готовых звонков нет.", en="There is nothing to try on yet: no call is done.")
    return found


def _run(context: Context, trial_id: str) -> None:
    try:
        dispatch.try_draft(context.prefect, trial_id)
    except RopError as error:
        with context.database.begin() as session:
            trials.finish(session, trial_id, clock.now(), error.text("ru"))
        if isinstance(error, NotFound):  # Prefect has no such deployment yet: not the caller's fault
            raise PrefectUnavailable from error
        raise


def _answer(row: Trial, language: str) -> TrialAnswer:
    outcomes = row.outcomes
    calls = [
        TrialCall(call_id=o["call_id"], before=o.get("before"), after=o.get("after"), problem=o.get("problem", {}).get(language))
        for o in outcomes
    ]
    return TrialAnswer(
        trial_id=row.trial_id,
        status=row.status,
        kind=row.kind,
        definition_id=row.definition_id,
        asked=len(row.call_ids),
        changes=[TrialChange(**asdict(flip)) for flip in flips(row.kind, outcomes)],
        calls=calls,
        problem=row.problem,
        **asdict(sums(outcomes)),
    )
