"""From the state of one call, as the operational database holds it, to the rows of the fact tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from warehouse import scores, talk, values
from warehouse.batch import FACTS, Batch, Dimensions, Rules

State = Mapping[str, Any]
Row = dict[str, Any]


class Flattener:
    """Turns call states into rows; `zone` is the company's time zone, `stages` come from `dim_stage`.

    A state has the keys `call`, `recording`, `transcript`, `results`, `overrides` and `deliveries`.
    """

    def __init__(self, zone: str, stages: scores.Stages) -> None:
        self._zone = ZoneInfo(zone)
        self._stages = stages

    def batch(self, states: Iterable[State], gone: Iterable[str], seq: int, dimensions: Dimensions) -> tuple[Batch, dict[str, Rules]]:
        """A batch of these calls and of those that are `gone`, and the calls whose content cannot be read, with the reason."""
        merged: dict[str, list[Row]] = {name: [] for name in FACTS}
        unreadable: dict[str, Rules] = {}
        for state in states:
            try:
                rows = self.rows(state)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                call_id = state["call"]["call_id"]
                unreadable[call_id] = [(f"unreadable content: {error!r}", 1, call_id)]
                continue
            for name in FACTS:
                merged[name] += rows[name]
        call_ids = (*(row["call_id"] for row in merged["fact_call"]), *gone)
        return Batch(call_ids, merged, seq, dimensions), unreadable

    def rows(self, state: State) -> dict[str, list[Row]]:
        """The rows of one call by table."""
        call = self._call(state)
        key = {"call_id": call["call_id"], "day": call["day"]}
        utterances = (state["transcript"] or {}).get("utterances", ())
        rows: dict[str, list[Row]] = {name: [] for name in FACTS}
        rows["fact_call"] = [call]
        rows["fact_utterance"] = [key | _utterance(u) for u in utterances]
        for result in state["results"]:
            if result["kind"] == "checklist":
                total, stages = scores.rows(result, state["overrides"], self._stages)
                deal = {"deal_stage_id": call["deal_stage_id"]}
                rows["fact_checklist"].append(key | total | deal | {"manager_id": call["manager_id"]})
                rows["fact_stage"] += [key | stage | deal for stage in stages]
            else:
                table, fields = values.rows(result, utterances)
                rows["fact_table"].append(key | table)
                rows["fact_table_value"] += [key | field for field in fields]
        rows["fact_delivery"] = [key | _delivery(d) for d in state["deliveries"]]
        return rows

    def _call(self, state: State) -> Row:
        call, recording, transcript = state["call"], state["recording"] or {}, state["transcript"] or {}
        started = call["started_at"] or call["received_at"]
        local = started.astimezone(self._zone).replace(tzinfo=None)
        duration = recording.get("duration") or transcript.get("duration")
        same = ("call_id", "manager_id", "deal_id", "deal_stage_id", "direction", "status", "reason_code", "attempt", "warnings")
        return {
            **{name: call[name] for name in same},
            **{name: recording.get(name) for name in ("format", "codec", "channels")},
            "day": local.date(),
            "started_at": utc(started),
            "started_local": local,
            "received_at": utc(call["received_at"]),
            "finished_at": utc(call["finished_at"]),
            "language": transcript.get("language") or call["language"],
            "duration": duration,
            "audio_bytes": recording.get("bytes"),
            "asr_engine": transcript.get("engine"),
            "asr_model": transcript.get("model"),
            "is_partial": transcript.get("partial"),
            "page": f"/calls/{quote(call['call_id'], safe='')}",
            **talk.metrics(transcript.get("utterances", ()), duration, transcript.get("metrics") or {}),
        }


def utc(moment: datetime | None) -> datetime | None:
    """The moment in UTC without an offset, as the warehouse keeps it."""
    return None if moment is None else moment.astimezone(UTC).replace(tzinfo=None)


def _utterance(utterance: Mapping[str, Any]) -> Row:
    return {
        "utterance_id": utterance["id"],
        "start_seconds": utterance["start"],
        "end_seconds": utterance["end"],
        "speaker": utterance["speaker"],
        "channel": utterance.get("channel"),
        "text": utterance["text"],
        "words": len(utterance["text"].split()),
        "confidence": utterance.get("confidence", 1.0),
    }


def _delivery(delivery: Mapping[str, Any]) -> Row:
    attempts = delivery["attempts_made"]
    last = attempts[-1] if attempts else {}
    same = ("delivery_id", "event", "endpoint_id", "owner_kind", "owner_id", "status", "attempts")
    return {
        **{name: delivery[name] for name in same},
        "created_at": utc(delivery["created_at"]),
        "first_attempt_at": utc(attempts[0]["at"]) if attempts else None,
        "last_attempt_at": utc(last.get("at")),
        "delivered_at": utc(delivery["delivered_at"]),
        "last_status_code": last.get("status_code"),
        "last_error_code": last.get("error_code"),
        "attempt_seconds": sum(attempt["seconds"] for attempt in attempts),
    }
