"""One body in three encodings, and everything clients get wrong about them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.api.conftest import UPLOAD, Api

PATH = "/api/v1/calls/audio-upload"
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def post(api: Api, **request: Any) -> Any:
    return api.client.post(PATH, params={"apiKey": api.key}, **request)


def accepted(answer: Any) -> bool:
    return (answer.status_code, answer.json()) == (200, {"status": "queued", "call_id": "call_1"})


def test_multipart(api: Api) -> None:
    assert accepted(post(api, files={name: (None, value) for name, value in UPLOAD.items()}))


def test_multipart_with_literal_quotes(api: Api) -> None:
    assert accepted(post(api, files={name: (None, f'"{value}"') for name, value in UPLOAD.items()}))


def test_urlencoded(api: Api) -> None:
    assert accepted(post(api, data=UPLOAD))


def test_urlencoded_with_literal_quotes(api: Api) -> None:
    assert accepted(post(api, data={name: f'"{value}"' for name, value in UPLOAD.items()}))


def test_json(api: Api) -> None:
    assert accepted(post(api, json=UPLOAD))


def test_json_with_another_json_type_or_none(api: Api) -> None:
    assert accepted(post(api, content=json.dumps(UPLOAD), headers={"Content-Type": "application/vnd.crm+json; charset=utf-8"}))
    again = post(api, content=json.dumps(UPLOAD | {"call_id": "call_2"}), headers=FORM)
    assert again.json() == {"status": "queued", "call_id": "call_2"}


def test_only_one_pair_of_quotes_goes(api: Api) -> None:
    answer = post(api, data=UPLOAD | {"call_id": '""x""'})
    assert answer.json() == {"status": "queued", "call_id": '"x"'}
    assert post(api, json=UPLOAD | {"call_id": '"x"'}).status_code == 409


def test_numbers_are_taken_as_ids(api: Api) -> None:
    answer = post(api, json=UPLOAD | {"call_id": 12345, "manager_id": 7})
    assert answer.json() == {"status": "queued", "call_id": "12345"}
    assert api.get("/calls/12345").json()["manager_id"] == "7"


def test_unknown_fields_and_files_are_ignored(api: Api) -> None:
    files = {name: (None, value) for name, value in (UPLOAD | {"comment": "x"}).items()} | {"record": ("a.mp3", b"ID3", "audio/mpeg")}
    assert accepted(post(api, files=files))


def test_the_names_of_unknown_fields_are_logged_and_their_values_are_not(api: Api) -> None:
    with capture_logs() as lines:
        assert accepted(post(api, json=UPLOAD | {"comment": "тайное слово", "deal": 1}))
    [line] = [line for line in lines if line["event"] == "unknown_fields"]
    assert (line["fields"], line["count"]) == (["comment", "deal"], 2)
    assert "тайное" not in str(lines)


def test_an_empty_optional_form_field_was_not_sent(api: Api) -> None:
    assert accepted(post(api, data=UPLOAD | {"duration": "", "language": "", "started_at": ""}))


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b"{", JSON),
        (b"[]", JSON),
        (b'"x"', JSON),
        (b'{"call_id": NaN}', JSON),
        (b'{"call_id": "\xff"}', JSON),
        (b'{"call_id": "\\ud800"}', JSON),
        (b"[" * 100_000, JSON),
        (b"a=%ff%fe", FORM),
        (b"a=\xff", FORM),
        (b"&".join(b"a%d=1" % i for i in range(10_001)), FORM),
        (b"a[b]=1&a=2&a[c]=3", FORM),
        (b"a" + b"[0]" * 5000 + b"=1", FORM),
        (b"nothing like multipart", {"Content-Type": "multipart/form-data"}),
        (b"nothing like multipart", {"Content-Type": "multipart/form-data; boundary=x"}),
        (b"--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x--\r\n", {"Content-Type": "multipart/form-data; boundary=x"}),
        (b"<call/>", {"Content-Type": "text/xml"}),
    ],
)
def test_what_cannot_be_read_is_400(api: Api, content: bytes, headers: dict[str, str]) -> None:
    answer = post(api, content=content, headers=headers)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] in {"invalid_body", "invalid_request"}


@pytest.mark.parametrize("headers", [{}, JSON, FORM])
def test_no_body_names_every_field(api: Api, headers: dict[str, str]) -> None:
    answer = post(api, content=b"", headers=headers)
    assert answer.status_code == 400
    assert list(answer.json()["fields"]) == list(UPLOAD) == ["manager_id", "call_id", "deal_id", "deal_stage_id", "audio_url"]


def test_a_large_body_is_413(api: Api) -> None:
    limit = api.settings.max_body_bytes
    assert post(api, content=b"x" * (limit + 1), headers=JSON).status_code == 413

    def chunks() -> Iterator[bytes]:
        for _ in range(limit // 65536 + 1):
            yield b"x" * 65536

    answer = post(api, content=chunks(), headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
