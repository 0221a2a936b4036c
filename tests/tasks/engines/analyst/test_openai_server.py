"""Everything a model server can do wrong, over real HTTP: which error it is, how many requests it costs, and what may not leak."""

from __future__ import annotations

import json
import logging
import pickle
import socket
import threading
import time
import traceback
from collections.abc import Iterator
from typing import Any

import pytest

from checklists.definitions import Checklist
from checklists.findings import Findings
from core.errors import PermanentError, RateLimited, RopError, TransientError, Unavailable, Unreachable
from core.settings import Settings
from tasks.engines.analyst import build
from tasks.engines.analyst.openai import OpenAIAnalyst, errors
from tests.peers.llm_peer import Asked, LlmPeer, Reply, Say, answer, error, good, judge, rewritten
from tests.peers.sockets import canary
from tests.peers.talks import MONDAY, sale

KEY = "sk-not-for-the-logs"
CHECKLIST = Checklist.model_validate(
    {
        "id": "one",
        "name": "Один",
        "stages": [
            {
                "id": "price",
                "name": "Цена",
                "criteria": [{"id": "amount", "ask": "Названа цена", "examples": ["Стоимость пятнадцать тысяч"]}],
            }
        ],
    }
)


@pytest.fixture
def peer() -> Iterator[LlmPeer]:
    with LlmPeer(key=KEY) as peer:
        yield peer


def engine(url: str, **more: Any) -> OpenAIAnalyst:
    return OpenAIAnalyst(Settings(llm_url=url, llm_api_key=KEY, **more))


def check(analyst: OpenAIAnalyst) -> Findings:
    return analyst.check(sale(), CHECKLIST, MONDAY)


def met(findings: Findings) -> bool:
    return findings.stages[0].criteria[0].met


def failure(peer: LlmPeer, *replies: Reply, **more: Any) -> RopError:
    """What the engine raises when the server answers so; the key never shows."""
    peer.replies = list(replies)
    with pytest.raises(RopError) as caught:
        check(engine(peer.url, **more))
    shown = "".join(traceback.format_exception(caught.value)) + caught.value.text("ru") + repr(caught.value.fields)
    assert KEY not in shown
    return caught.value


class TestRefusals:
    @pytest.mark.parametrize(
        ("reply", "kind", "requests"),
        [
            (error(401, f"Incorrect API key provided: {KEY}", "invalid_api_key"), errors.KeyRefused, 1),
            (error(403, "Country not supported"), errors.KeyRefused, 1),
            (error(404, "The model `x` does not exist", "model_not_found"), errors.RequestRefused, 1),
            (error(400, "bad value", "invalid_value"), errors.RequestRefused, 1),
            (error(400), errors.RequestRefused, 2),
            (error(422), errors.RequestRefused, 2),
            (error(402, "Insufficient Balance"), errors.QuotaSpent, 1),
            (error(429, "You exceeded your current quota", "insufficient_quota"), errors.QuotaSpent, 1),
            (error(400, "This model's maximum context length is 8192 tokens", "context_length_exceeded"), errors.PromptTooLong, 1),
            (error(500, "Requested tokens (9000) exceed context window of 4096"), errors.PromptTooLong, 1),
            (error(429, "slow down"), RateLimited, 1),
            (error(408), Unavailable, 1),
            (error(500), Unavailable, 2),
            (error(503), Unavailable, 1),
            (error(529, "overloaded"), Unavailable, 1),
            (Say(b"", 302, {"Location": "http://127.0.0.1:1/"}), errors.RequestRefused, 1),
            (Say(b"<html>Welcome</html>"), Unreachable, 1),
            (Say(b"[" * 100_000), Unreachable, 1),
            (Say({"error": {"message": "upstream is busy"}}), Unavailable, 1),
            (Say({"choices": []}), Unreachable, 1),
            (Say(drop=True), Unreachable, 1),
            (answer(None, refusal="I cannot help with that."), errors.ModelRefused, 1),
            (answer('{"stages": [{"stage', finish="length"), errors.AnswerCut, 1),
            (answer("", finish="content_filter"), errors.AnswerFiltered, 1),
            (answer(""), errors.BadAnswer, 2),
            (answer(None), errors.BadAnswer, 2),
            (answer("Менеджер молодец, пять баллов!"), errors.BadAnswer, 2),
            (answer('{"stages": [{"stage_id": "price", "criteria": ['), errors.BadAnswer, 2),
            (answer('{"verdict": true}'), errors.BadAnswer, 2),
            (answer('{"stages": "все выполнены"}'), errors.BadAnswer, 2),
            (
                answer('{"stages": [{"stage_id": "price", "criteria": [{"criterion_id": "amount", "met": "наверное"}]}]}'),
                errors.BadAnswer,
                2,
            ),
            (
                answer('{"stages": [{"stage_id": "price", "criteria": [{"criterion_id": "amount", "met": true, "confidence": NaN}]}]}'),
                errors.BadAnswer,
                2,
            ),
            (answer("{" * 100_000), errors.BadAnswer, 2),
            (answer("x" * 600_000), errors.BadAnswer, 1),
            (Say(b"x" * 200_000, 500), Unavailable, 2),
        ],
    )
    def test_each_is_an_error_that_says_whether_to_repeat(self, peer: LlmPeer, reply: Say, kind: type[RopError], requests: int) -> None:
        raised = failure(peer, reply)
        assert type(raised) is kind
        assert len(peer.asked) == requests
        assert isinstance(raised, PermanentError | TransientError)
        assert any("а" <= c <= "я" for c in raised.text("ru").lower())

    def test_the_servers_own_words_are_not_repeated(self, peer: LlmPeer) -> None:
        raised = failure(peer, error(400, "cannot parse: «Стоимость пятнадцать тысяч»", "Стоимость пятнадцать тысяч"))
        assert "Стоимость" not in raised.text("ru") + repr(raised.fields)

    def test_errors_survive_the_way_between_processes(self, peer: LlmPeer) -> None:
        raised = failure(peer, error(404, "no", "model_not_found"))
        copy = pickle.loads(pickle.dumps(raised))
        assert (type(copy), copy.text("ru")) == (type(raised), raised.text("ru"))

    def test_the_key_is_in_no_log(self, peer: LlmPeer, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        check(engine(peer.url))
        failure(peer, error(500))
        assert KEY not in caplog.text

    @pytest.mark.parametrize(
        ("headers", "seconds"),
        [({}, None), ({"Retry_After": "17"}, 17.0), ({"retry_after_ms": "1500", "Retry_After": "2"}, 1.5), ({"Retry_After": "soon"}, None)],
    )
    def test_the_wish_to_wait_is_carried(self, peer: LlmPeer, headers: dict[str, str], seconds: float | None) -> None:
        raised = failure(peer, error(429, "slow down", **headers))
        assert isinstance(raised, RateLimited)
        assert raised.retry_after == seconds
        assert "None" not in raised.text("ru")
        assert len(peer.asked) == 1

    def test_an_unavailable_server_may_say_when_it_is_back(self, peer: LlmPeer) -> None:
        raised = failure(peer, error(503, Retry_After="30"))
        assert isinstance(raised, Unavailable)
        assert raised.retry_after == 30

    def test_nobody_there(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        with pytest.raises(Unreachable):
            check(engine(f"http://127.0.0.1:{port}/v1"))

    def test_no_address_is_said_at_once(self) -> None:
        with pytest.raises(errors.NotConfigured, match="ROP_LLM_URL"):
            build(Settings(), "openai")


class TestDeadline:
    @pytest.mark.parametrize(
        "slow",
        [Say(b"late", wait=30), Say(answer("x" * 500).body, drip=0.05), Say(b"x" * 500, 500, drip=0.05)],
        ids=["silent", "dripping", "dripping an error"],
    )
    def test_the_whole_exchange_ends_in_time(self, peer: LlmPeer, slow: Say) -> None:
        started = time.monotonic()
        raised = failure(peer, slow, llm_seconds=0.6)
        assert (type(raised), raised.reason) == (Unreachable, "timeout")
        assert time.monotonic() - started < 15.0  # the server goes on for longer
        assert len(peer.asked) == 1

    def test_each_request_has_its_own(self, peer: LlmPeer) -> None:
        def slowly(asked: Asked) -> Say:
            return Say(good()(asked).body, wait=2.0)

        peer.replies = [Say(answer("не JSON").body, wait=2.0), slowly]
        assert met(check(engine(peer.url, llm_seconds=3.5)))


class TestRepair:
    @pytest.mark.parametrize(
        "dress",
        [
            lambda text: f"Вот мой ответ:\n```json\n{text}\n```\nОбращайтесь {{в любое время}}!",
            lambda text: f"<think>Цена {{названа}}? Да.</think>{text}",
            lambda text: text.replace('"met": true', '"met": "true"').replace("[8]", '["8"]').replace("0.9", '"0.9"'),
            lambda text: text.replace('"occasion": [], ', '"occasion": null, "notes": "…", '),
        ],
        ids=["prose", "thoughts", "numbers in quotes", "null"],
    )
    def test_what_is_clear_needs_none(self, peer: LlmPeer, dress: Any) -> None:
        peer.replies = [rewritten(dress)]
        assert met(check(engine(peer.url)))
        assert len(peer.asked) == 1

    @pytest.mark.parametrize("bad", ["", "не JSON", '{"stages": [{"stage_id": "price"', '{"stages": 5}'])
    def test_one_request_repairs_an_answer_and_says_what_was_wrong(self, peer: LlmPeer, bad: str) -> None:
        peer.replies = [answer(bad), good()]
        findings = check(engine(peer.url))
        assert met(findings)
        assert findings.usage.requests == len(peer.asked) == 2
        assert "ПРОШЛЫЙ ОТВЕТ НЕ ПРИНЯТ" in peer.asked[1].user
        assert peer.asked[1].user.startswith(peer.asked[0].user)

    def test_an_answer_of_200_kilobytes_is_read_and_its_talk_is_cut(self, peer: LlmPeer) -> None:
        def endless(asked: Asked) -> Say:
            given = judge(asked)
            given["stages"][0]["criteria"][0] |= {"reason": "Очень. " * 15_000, "evidence": [8] * 900}
            return answer(json.dumps(given, ensure_ascii=False))

        peer.replies = [endless]
        finding = check(engine(peer.url)).stages[0].criteria[0]
        assert finding.met
        assert len(finding.comment) <= 400
        assert finding.evidence == (8,)

    def test_parts_of_a_message_are_joined(self, peer: LlmPeer) -> None:
        def in_parts(asked: Asked) -> Say:
            said = answer("").body
            said["choices"][0]["message"]["content"] = [{"type": "text", "text": json.dumps(judge(asked))}]
            return Say(said)

        peer.replies = [in_parts]
        assert met(check(engine(peer.url)))

    def test_usage_may_be_absent(self, peer: LlmPeer) -> None:
        peer.replies = [rewritten(str)]
        usage = check(engine(peer.url)).usage
        assert (usage.prompt_tokens, usage.completion_tokens, usage.requests) == (0, 0, 1)

    def test_a_server_that_read_only_the_end_is_flagged(self, peer: LlmPeer) -> None:
        peer.replies = [lambda asked: answer(json.dumps(judge(asked)), usage={"prompt_tokens": 256, "completion_tokens": 9})]
        assert check(engine(peer.url)).flags == ("prompt_may_be_cut",)


LLAMA = "body.response_format.type: Input should be 'text' or 'json_object' (literal_error)"


class TestLadder:
    @pytest.mark.parametrize("status", [400, 404, 422, 500])
    def test_a_server_that_names_what_it_does_not_know_is_asked_less_and_remembered(self, peer: LlmPeer, status: int) -> None:
        peer.refuses = {"json_schema": error(status, LLAMA)}
        analyst = engine(peer.url)
        first, second = check(analyst), check(analyst)
        assert met(first)
        assert met(second)
        assert [a.structure for a in peer.asked] == ["json_schema", "json_object", "json_object"]
        assert (first.usage.requests, second.usage.requests) == (2, 1)

    def test_down_to_plain_text(self, peer: LlmPeer) -> None:
        peer.refuses = {"json_schema": error(400, "response_format"), "json_object": error(400, "response_format")}
        analyst = engine(peer.url)
        assert met(check(analyst))
        assert met(check(analyst))
        assert [a.structure for a in peer.asked] == ["json_schema", "json_object", "none", "none"]

    @pytest.mark.parametrize("status", [400, 500])
    def test_a_refusal_without_a_reason_is_believed_at_the_second_time(self, peer: LlmPeer, status: int) -> None:
        peer.refuses = {"json_schema": error(status)}
        analyst = engine(peer.url)
        for _ in range(3):
            assert met(check(analyst))
        assert [a.structure for a in peer.asked] == ["json_schema", "json_object", "json_schema", "json_object", "json_object"]

    def test_a_passing_fault_is_not_taken_for_an_inability(self, peer: LlmPeer) -> None:
        peer.replies = [error(500), good()]
        analyst = engine(peer.url)
        check(analyst)
        check(analyst)
        assert peer.asked[-1].structure == "json_schema"

    def test_a_model_without_temperature(self, peer: LlmPeer) -> None:
        peer.refuses = {"temperature": error(400, "Unsupported value: 'temperature' does not support 0.0", "unsupported_value")}
        analyst = engine(peer.url)
        assert met(check(analyst))
        assert met(check(analyst))
        assert ["temperature" in a.body for a in peer.asked] == [True, False, False]
        assert {a.structure for a in peer.asked} == {"json_schema"}

    def test_temperature_is_sent_or_left_out_as_set(self, peer: LlmPeer, monkeypatch: pytest.MonkeyPatch) -> None:
        check(engine(peer.url))
        check(engine(peer.url, llm_temperature=None))
        monkeypatch.setenv("ROP_LLM_TEMPERATURE", "")
        check(engine(peer.url))
        assert [a.body.get("temperature") for a in peer.asked] == [0.0, None, None]

    @pytest.mark.parametrize(("set_to", "sent"), [("json_object", "json_object"), ("none", "none")])
    def test_a_fixed_way_is_kept(self, peer: LlmPeer, set_to: str, sent: str) -> None:
        assert met(check(engine(peer.url, llm_structured=set_to)))
        assert [a.structure for a in peer.asked] == [sent]

    def test_a_fixed_way_that_fails_is_an_error(self, peer: LlmPeer) -> None:
        peer.refuses = {"json_schema": error(400, LLAMA)}
        raised = failure(peer, good(), llm_structured="json_schema")
        assert type(raised) is errors.RequestRefused
        assert len(peer.asked) == 1


class TestAddress:
    @pytest.mark.parametrize("tail", ["", "/", "/chat/completions"])
    def test_any_form_of_the_base_address(self, peer: LlmPeer, tail: str) -> None:
        check(engine(peer.url + tail))
        check(engine(peer.url.removesuffix("/v1")))
        assert {a.path for a in peer.asked} == {"/v1/chat/completions"}

    def test_without_a_key_no_key_is_sent(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-of-somebody-else")
        monkeypatch.setenv("OPENAI_ORG_ID", "org-of-somebody-else")
        with LlmPeer() as peer:
            assert met(check(OpenAIAnalyst(Settings(llm_url=peer.url))))
            assert "authorization" not in peer.asked[0].headers
            assert "somebody" not in str(peer.asked[0].headers)

    def test_no_proxy_of_the_machine_is_used(self, peer: LlmPeer, monkeypatch: pytest.MonkeyPatch) -> None:
        with canary() as proxy:
            monkeypatch.setenv("HTTP_PROXY", proxy.url)
            monkeypatch.setenv("http_proxy", proxy.url)
            monkeypatch.delenv("no_proxy", raising=False)
            assert met(check(engine(peer.url)))
            assert proxy.connections == 0

    def test_a_redirect_does_not_take_the_key_along(self, peer: LlmPeer) -> None:
        with canary() as elsewhere:
            failure(peer, Say(b"", 307, {"Location": f"{elsewhere.url}/v1/chat/completions"}))
            assert elsewhere.connections == 0

    def test_many_threads_share_one_engine(self, peer: LlmPeer) -> None:
        peer.refuses = {"json_schema": error(400, LLAMA)}
        analyst = engine(peer.url)
        found: list[bool] = []
        threads = [threading.Thread(target=lambda: found.append(met(check(analyst)))) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert found == [True] * 8
