"""What is likely to be said in a call: the recogniser is told the first names and words of it that fit (`asr_hotword_chars`)."""

from __future__ import annotations

from sqlalchemy.orm import Session

from checklists.definitions import Checklist
from db import definitions, directory
from db.models import Call


def vocabulary(session: Session, call: Call) -> tuple[str, ...]:
    """The manager's names, the words of the checklists that judge the call, the names of the colleagues; each once, in this order."""
    offices = directory.offices_at(session, call.manager_id, call.received_at)
    judged_by = definitions.routed(session, "checklist", call.deal_stage_id, offices, call.manager_id)
    trade = [word for checklist in judged_by if isinstance(checklist, Checklist) for word in checklist.vocabulary]
    staff = [call.manager_id, *directory.members_at(session, offices, call.received_at)]
    names = directory.manager_names(session, staff)
    own, *others = [names.get(one, "").split() for one in dict.fromkeys(staff)]
    return tuple(dict.fromkeys([*own, *trade, *(part for name in others for part in name)]))
