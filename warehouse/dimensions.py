"""Rows of the dimension tables, from the rows of the operational database."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Any

from warehouse.batch import Dimensions

Row = dict[str, Any]
Source = Sequence[Mapping[str, Any]]


def build(source: Mapping[str, Source]) -> Dimensions:
    """All dimensions; `source` has the keys `managers`, `offices`, `memberships`, `definitions` and `definition_versions`."""
    current = {(d["kind"], d["definition_id"]): d["version"] for d in source["definitions"]}
    versions = source["definition_versions"]
    checklists = [v for v in versions if v["kind"] == "checklist"]
    tables = [v for v in versions if v["kind"] == "table"]
    return Dimensions(
        {
            "dim_manager": [_manager(m) for m in source["managers"]],
            "dim_office": [_office(o) for o in source["offices"]],
            "dim_membership": [_membership(m) for m in source["memberships"]],
            "dim_checklist": list(_versions("checklist_id", checklists, current)),
            "dim_stage": [row for v in checklists for row in _stages(v)],
            "dim_table": list(_versions("table_id", tables, current)),
            "dim_field": [row for v in tables for row in _fields(v)],
        }
    )


def _manager(manager: Mapping[str, Any]) -> Row:
    parts = [manager[name].strip() for name in ("surname", "name", "middlename")]
    return {
        "manager_id": manager["manager_id"],
        "full_name": " ".join(part for part in parts if part) or manager["manager_id"],
        **{name: manager[name] for name in ("surname", "name", "middlename")},
        "is_synced": manager["synced"],
        "is_active": manager["active"],
        "updated_at": _utc(manager["updated_at"]),
    }


def _office(office: Mapping[str, Any]) -> Row:
    title = office["title"] or office["office_id"]
    return {"office_id": office["office_id"], "title": title, "is_active": office["active"], "updated_at": _utc(office["updated_at"])}


def _membership(membership: Mapping[str, Any]) -> Row:
    until = membership["valid_to"]
    same = {name: membership[name] for name in ("manager_id", "office_id", "role")}
    return same | {"valid_from": _utc(membership["valid_from"]), "valid_to": _utc(until) if until else None}


def _versions(key: str, versions: Source, current: Mapping[tuple[str, str], str]) -> Iterator[Row]:
    ordered = sorted(versions, key=lambda v: (v["definition_id"], v["number"]))
    for version, following in zip_longest(ordered, ordered[1:]):
        replaced = following if following and following["definition_id"] == version["definition_id"] else None
        yield {
            key: version["definition_id"],
            "version": version["version"],
            "number": version["number"],
            "name": version["name"],
            "is_current": current.get((version["kind"], version["definition_id"])) == version["version"],
            "valid_from": _utc(version["created_at"]),
            "valid_to": _utc(replaced["created_at"]) if replaced else None,
        }


def _stages(version: Mapping[str, Any]) -> Iterator[Row]:
    for position, stage in enumerate(version["content"]["stages"], start=1):
        yield {
            "checklist_id": version["definition_id"],
            "version": version["version"],
            "stage_id": stage["id"],
            "position": position,
            "name": stage["name"],
            "description": stage.get("description", ""),
            "weight": stage.get("weight", 1),
            "threshold": stage.get("threshold", 100.0),
            "criteria": len(stage["criteria"]),
        }


def _fields(version: Mapping[str, Any]) -> Iterator[Row]:
    for position, field in enumerate(version["content"]["fields"], start=1):
        yield {
            "table_id": version["definition_id"],
            "version": version["version"],
            "field_name": field["name"],
            "position": position,
            "title": field.get("title", ""),
            "type": field.get("type", "string"),
            "is_required": field.get("required", False),
        }


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)
