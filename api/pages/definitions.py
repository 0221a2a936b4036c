"""«Скрипты и промты» and «Таблицы»: definitions as a form and as YAML, their versions, what is in force."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Annotated, Any, Literal, get_args

from fastapi import APIRouter, Depends
from sqlalchemy.orm import Session
from starlette.responses import Response

from api.middleware import encoded
from api.pages import draft, trials
from api.pages.draft import Checked, Content
from api.pages.form import Form, Key
from api.pages.view import Undo, View, Viewer
from checklists.definitions import FieldType
from checklists.detectors import DETECTORS
from db import audit, definitions, endpoints
from db import trials as stored_trials
from db.definitions import Kind

KINDS: dict[str, Kind] = {"checklists": "checklist", "tables": "table"}
FIELD_TYPES: tuple[FieldType, ...] = get_args(FieldType)
RECENT = 5  # trials shown beside the editor
CONTEXT = 3  # unchanged lines around a change
Shape = Literal["form", "yaml"]
router = APIRouter(prefix="/settings")


def _kinds(kinds: Literal["checklists", "tables"]) -> str:
    return kinds


Kinds = Annotated[str, Depends(_kinds)]


@router.get("/{kinds}")
def listed(view: Viewer, kinds: Kinds) -> Response:
    """Everything there is, with its version, address and use."""
    view.need("see_all")
    kind = KINDS[kinds]
    with view.context.database.read() as session:
        rows = [_line(session, kind, row.definition_id) for row in definitions.rows(session, kind)]
    return view.render("definitions.html", kinds=kinds, kind=kind, rows=rows)


@router.get("/{kinds}/new")
def new(view: Viewer, kinds: Kinds) -> Response:
    """The editor with a beginning."""
    view.need("edit")
    return _editor(view, kinds, "", draft.STARTERS[KINDS[kinds]], Checked(None), "form")


@router.post("/{kinds}/check")
def check(view: Viewer, kinds: Kinds, form: Form) -> Response:
    """The problems of a draft, as somebody types it."""
    view.need("edit")
    return view.render("_problems.html", kinds=kinds, checked=draft.check(_text(form)))


@router.post("/{kinds}/draft")
def work(view: Viewer, kinds: Kinds, form: Form) -> Response:
    """A button of the editor: change the draft, change the way it is shown, try it, or put it in force."""
    view.need("edit")
    action, text = form.get("do", ""), _text(form)
    if action in ("save", "try"):
        checked = draft.check(text)
        if checked.definition is not None and definitions.kind_of(checked.definition) == KINDS[kinds]:
            return _apply(view, kinds, form, checked) if action == "save" else trials.start(view, checked.definition, form)
        return _shown(view, kinds, form, text, checked, 400)
    if action in ("form", "yaml"):
        return _shown(view, kinds, {**form, "shape": action}, text, draft.check(text))
    content = draft.of_text(text) or {}
    changed = draft.dump(draft.edited(content, action))
    return _shown(view, kinds, {**form, "touched": action.partition(":")[2]}, changed, draft.check(changed))


@router.get("/{kinds}/{key}")
def edit(view: Viewer, kinds: Kinds, key: Key, trial: str = "") -> Response:
    """The editor with the version in force, or with the draft of a trial."""
    return _stored(view, kinds, key, "form", trial)


@router.get("/{kinds}/{key}/yaml")
def edit_yaml(view: Viewer, kinds: Kinds, key: Key) -> Response:
    """The same as text."""
    return _stored(view, kinds, key, "yaml", "")


@router.get("/{kinds}/{key}/versions")
def versions(view: Viewer, kinds: Kinds, key: Key, old: str = "", new: str = "") -> Response:
    """Every version, and what changed between two of them, by default the last two."""
    view.need("see_all")
    kind = KINDS[kinds]
    with view.context.database.read() as session:
        row = definitions.row(session, kind, key)
        known = definitions.versions(session, kind, key)
        new = new if new in {one.version for one in known} else row.version
        place = next(index for index, one in enumerate(known) if one.version == new)
        before = known[place + 1].version if place + 1 < len(known) else new
        old = old if old in {one.version for one in known} else before
        texts = [draft.dump(draft.of_definition(definitions.load(session, kind, key, one))) for one in (old, new)]
    return view.render("versions.html", kinds=kinds, kind=kind, key=key, row=row, versions=known, old=old, new=new, diff=_diff(*texts))


@router.post("/{kinds}/{key}/activate")
def activate(view: Viewer, kinds: Kinds, key: Key, form: Form) -> Response:
    """Judge new calls by an earlier version again."""
    view.need("edit")
    kind = KINDS[kinds]
    with view.context.database.begin() as session:
        present = definitions.row(session, kind, key).version
        done = definitions.apply(session, definitions.load(session, kind, key, form.get("version", "")), view.login, view.at)
        audit.write(session, view.login, "definition.applied", key, view.at, version=done.version, number=done.number)
    undo = Undo(f"/settings/{kinds}/{encoded(key)}/activate", {"version": present}) if done.changed else None
    return view.go(f"/settings/{kinds}/{encoded(key)}/versions", view.t("Действует версия {n}.", n=done.number), undo=undo)


@router.post("/{kinds}/{key}/switch")
def switch(view: Viewer, kinds: Kinds, key: Key, form: Form) -> Response:
    """Judge new calls by it, or no more."""
    view.need("edit")
    on = form.get("active") == "yes"
    with view.context.database.begin() as session:
        definitions.switch(session, KINDS[kinds], key, on, view.at)
        audit.write(session, view.login, "definition.switched_on" if on else "definition.switched_off", key, view.at)
    undo = Undo(f"/settings/{kinds}/{encoded(key)}/switch", {"active": "no" if on else "yes"})
    said = view.t("Включено: новые звонки будут оцениваться.") if on else view.t("Выключено: новые звонки по нему не оцениваются.")
    return view.go(f"/settings/{kinds}/{encoded(key)}", said, undo=undo)


def _apply(view: View, kinds: str, form: Form, checked: Checked) -> Response:
    """A new version in force; a new id must be free, so that nobody overwrites another definition unawares."""
    definition = checked.definition
    assert definition is not None  # noqa: S101  for the type checker: the caller has looked
    kind, former = KINDS[kinds], form.get("key", "")
    with view.context.database.begin() as session:
        if former != definition.id and definitions.exists(session, kind, definition.id):
            what = view.t("id «{id}» уже занят", id=definition.id)
            problem = {"line": 1, "path": "id", "what": what, "fix": view.t("придумайте другой")}
            return _shown(view, kinds, form, _text(form), Checked(None, (problem,)), 409)
        before = definitions.row(session, kind, definition.id).version if definitions.exists(session, kind, definition.id) else ""
        done = definitions.apply(session, definition, view.login, view.at)
        audit.write(session, view.login, "definition.applied", definition.id, view.at, version=done.version, number=done.number)
    target = f"/settings/{kinds}/{encoded(definition.id)}"
    undo = Undo(f"{target}/activate", {"version": before}) if before and done.changed else None
    said = view.t("Сохранено: действует версия {n}.", n=done.number) if done.changed else view.t("Сохранено, версия та же.")
    return view.go(target + ("/yaml" if form.get("shape") == "yaml" else ""), said, undo=undo)


def _stored(view: View, kinds: str, key: str, shape: Shape, trial: str) -> Response:
    view.need("see_all")
    with view.context.database.read() as session:
        if trial:
            definition = stored_trials.definition_of(stored_trials.get(session, trial))
            key = key if definitions.exists(session, KINDS[kinds], key) else ""
        else:
            definition = definitions.load(session, KINDS[kinds], key)
    content = draft.of_definition(definition)
    return _editor(view, kinds, key, content, draft.check(draft.dump(content)), shape)


def _shown(view: View, kinds: str, form: Form, text: str, checked: Checked, status: int = 200) -> Response:
    """The editor with the draft of a posted form; text that is no mapping can only be shown as text."""
    content = draft.of_text(text)
    shape: Shape = "form" if form.get("shape") != "yaml" and content is not None else "yaml"
    shown = text if shape == "yaml" else ""
    return _editor(view, kinds, form.get("key", ""), content or {}, checked, shape, shown, status, form.get("touched", ""))


def _editor(
    view: View, kinds: str, key: str, content: Content, checked: Checked, shape: Shape, text: str = "", status: int = 200, touched: str = ""
) -> Response:
    """The page; items that are wrong or were just `touched` are unfolded."""
    kind = KINDS[kinds]
    with view.context.database.read() as session:
        values = _beside(session, kind, key) if key else {"row": None, "number": None, "endpoint": None, "trials": []}
    return view.render(
        "definition.html",
        status,
        kinds=kinds,
        kind=kind,
        key=key,
        content=content,
        checked=checked,
        opened={".".join(name.split(".")[:2]) for name in (*checked.bad_fields, touched)},
        shape=shape,
        text=text or draft.dump(content),
        detectors=DETECTORS,
        field_types=FIELD_TYPES,
        lines=draft.lines,
        synonyms=draft.synonyms,
        most=view.context.settings.trial_calls,
        **values,
    )


def _beside(session: Session, kind: Kind, key: str) -> dict[str, Any]:
    """What stands beside the editor: version, address, trials."""
    row = definitions.row(session, kind, key)
    return {
        "row": row,
        "number": definitions.number_of(session, kind, key, row.version),
        "endpoint": endpoints.get(session, kind, key),
        "trials": stored_trials.recent(session, kind, key, RECENT),
    }


def _line(session: Session, kind: Kind, key: str) -> dict[str, Any]:
    row = definitions.row(session, kind, key)
    found = definitions.load(session, kind, key)
    number = definitions.number_of(session, kind, key, row.version)
    return {"row": row, "definition": found, "number": number, "endpoint": endpoints.get(session, kind, key)}


def _text(form: Form) -> str:
    """The draft of a posted form as YAML, whichever way it was edited."""
    return form.get("text", "") if form.get("shape") == "yaml" else draft.dump(draft.of_form(form))


def _diff(old: str, new: str) -> Iterator[tuple[str, str]]:
    """Class and text of every line of the difference."""
    classes = {"+": "add", "-": "del", "@": "hunk"}
    for line in list(difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=CONTEXT))[2:]:
        yield classes.get(line[:1], "same"), line
