"""Who may do what. A manager sees nothing but the calls of their own."""

from __future__ import annotations

from typing import ClassVar, Literal

from core.errors import PermanentError
from db.users import Role

Right = Literal["see_all", "export", "mark", "appeal", "edit", "replay", "operate", "inspect", "people"]

# see_all: calls, managers, offices · mark: also rescore, swap, answer appeals · edit: definitions and their addresses
# replay: the delivery log · operate: keys, deletion of a call · inspect: quality of the data · people: users and the audit
RIGHTS: dict[Role, frozenset[Right]] = {
    "admin": frozenset({"see_all", "export", "mark", "edit", "replay", "operate", "inspect", "people"}),
    "head": frozenset({"see_all", "export", "mark", "edit", "replay"}),
    "analyst": frozenset({"see_all", "export", "inspect"}),
    "manager": frozenset({"appeal"}),
}


class Forbidden(PermanentError):
    """The person's role does not allow it."""

    code = "forbidden"
    status = 403
    texts: ClassVar[dict[str, str]] = {
        "ru": "Вашей роли это не разрешено. Права меняет администратор.",
        "en": "Your role does not allow this. An administrator can change it.",
    }


def may(role: str, right: Right) -> bool:
    """Whether people of this role may do it; unknown roles may nothing."""
    return right in RIGHTS.get(role, frozenset())  # type: ignore[call-overload]
