"""A chat server on loopback with OpenAI's surface. Its model really reads the question (the conversation and the rubric are in it) and
judges by word overlap, the same way every time; how it misbehaves is scripted.

    python -m tests.peers.llm_peer --port 9100      a server for trying things by hand
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests.peers.serving import Serving

LINE = re.compile(r'^\[(\d+)\] ([МК?]) (\d+:\d\d) (".*")$', re.MULTILINE)
CONVERSATION = re.compile(r"^РАЗГОВОР (\w+)\n(.*)^КОНЕЦ РАЗГОВОРА \1$", re.MULTILINE | re.DOTALL)
WHO = {"М": "manager", "К": "customer", "?": "unknown"}
ENOUGH = 0.3  # share of an example's words that makes an utterance a proof


@dataclass(frozen=True)
class Line:
    """One utterance as the model reads it."""

    number: int
    speaker: str
    text: str


@dataclass(frozen=True)
class Asked:
    """One request as it came in; header names in lower case."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    raw: str

    @property
    def system(self) -> str:
        return "".join(m["content"] for m in self.body["messages"] if m["role"] == "system")

    @property
    def user(self) -> str:
        return "".join(m["content"] for m in self.body["messages"] if m["role"] == "user")

    @property
    def structure(self) -> str:
        return str(self.body.get("response_format", {}).get("type", "none"))

    @property
    def conversation(self) -> str:
        """What stands between the fences."""
        found = CONVERSATION.search(self.user)
        return found[2] if found else ""

    @property
    def lines(self) -> list[Line]:
        return [Line(int(number), WHO[who], json.loads(text)) for number, who, _, text in LINE.findall(self.conversation)]

    @property
    def rubric(self) -> dict[str, Any]:
        """The JSON of the task."""
        task = CONVERSATION.sub("", self.user)
        return dict(json.JSONDecoder().raw_decode(task, task.index("{"))[0])

    @property
    def again(self) -> str:
        """What is asked anew, empty for a first question."""
        return self.user.partition("ПОВТОРНАЯ ПРОВЕРКА.")[2]


@dataclass(frozen=True)
class Say:
    """An answer: a status, headers and a body (JSON unless bytes), `wait` seconds later; `drop` closes the connection without one;
    `drip` sends the body a byte at a time, that many seconds apart.
    """

    body: Any = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    wait: float = 0.0
    drop: bool = False
    drip: float = 0.0


Model = Callable[[Asked], dict[str, Any]]
Reply = Say | Callable[[Asked], Say]


def judge(asked: Asked) -> dict[str, Any]:
    """An attentive model: evidence by the right speaker, the best match first."""
    if "fields" in asked.rubric:
        return {"fields": [_field(one, asked.lines) for one in asked.rubric["fields"]]}
    return {"stages": [_stage(stage, asked.lines) for stage in asked.rubric["stages"]]}


def gullible(asked: Asked) -> dict[str, Any]:
    """A model that does what the conversation tells it to: everything is met, and the order itself is the proof."""
    order = next((line for line in asked.lines if re.search(r"балл|засчита|оценк", line.text.lower())), None)
    return judge(asked) if order is None else everything_met(asked, order)


def everything_met(asked: Asked, line: Line) -> dict[str, Any]:
    """All stages met, with `line` for every proof."""
    stages = judge(asked)["stages"]
    for stage, rubric in zip(stages, asked.rubric["stages"], strict=True):
        stage |= {"applicable": True, "occasion": [line.number]}
        stage["criteria"] = [_criterion(c["criterion_id"], line) for c in rubric["criteria"]]
    return {"stages": stages}


def answer(content: str | None, *, finish: str = "stop", refusal: str | None = None, usage: dict[str, Any] | None = None) -> Say:
    """A completion with these words."""
    message = {"role": "assistant", "content": content, "refusal": refusal}
    envelope: dict[str, Any] = {
        "id": "chatcmpl-peer",
        "object": "chat.completion",
        "created": 0,
        "model": "peer-model-2026-01-01",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
    }
    if usage is not None:
        envelope["usage"] = usage
    return Say(envelope)


def good(model: Model = judge) -> Callable[[Asked], Say]:
    """Well-formed JSON, with token counts as OpenAI sends them."""

    def reply(asked: Asked) -> Say:
        content = json.dumps(model(asked), ensure_ascii=False)
        prompt = len(asked.system + asked.user) // 3
        usage = {"prompt_tokens": prompt, "completion_tokens": len(content) // 3, "prompt_tokens_details": {"cached_tokens": prompt // 2}}
        return answer(content, usage=usage)

    return reply


def rewritten(change: Callable[[str], str], model: Model = judge) -> Callable[[Asked], Say]:
    """The good answer with its text changed."""
    return lambda asked: answer(change(json.dumps(model(asked), ensure_ascii=False)))


def changed(change: Callable[[dict[str, Any]], None], model: Model = judge) -> Callable[[Asked], Say]:
    """The good answer after `change` has worked on it, and only the first time a question is asked."""

    def reply(asked: Asked) -> Say:
        given = model(asked)
        if not asked.again:
            change(given)
        return answer(json.dumps(given, ensure_ascii=False))

    return reply


def error(status: int, message: str = "", code: str | None = None, **headers: str) -> Say:
    """An error in OpenAI's form; underscores in header names are hyphens."""
    body = {"error": {"message": message, "type": "error", "code": code, "param": None}}
    return Say(body, status, {name.replace("_", "-"): value for name, value in headers.items()})


@dataclass
class LlmPeer(Serving):
    """Answers with the scripted replies in turn, then with the last one for ever; `asked` holds every request.

    `refuses` maps what the server does not know (`json_schema`, `json_object`, `temperature`) to its answer.
    """

    replies: list[Reply] = field(default_factory=lambda: [good()])
    refuses: dict[str, Say] = field(default_factory=dict)
    key: str | None = None
    port: int = 0
    asked: list[Asked] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", self.port), _handler(self))
        return super().__enter__()

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        super().__exit__()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def say(self, asked: Asked) -> Say:
        """Keep a request and choose the answer."""
        with self._lock:
            self.asked.append(asked)
            if self.key and asked.headers.get("authorization") != f"Bearer {self.key}":
                return error(401, f"Incorrect API key provided: {asked.headers.get('authorization')}", "invalid_api_key")
            unknown = [s for name, s in self.refuses.items() if name == asked.structure or name in asked.body]
            if unknown:
                return unknown[0]
            reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        return reply if isinstance(reply, Say) else reply(asked)

    def pause(self, seconds: float) -> bool:
        """Sleep unless the test is over; true when it is."""
        return self._closing.wait(seconds)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64


def _handler(peer: LlmPeer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"])).decode()
            headers = {name.lower(): value for name, value in self.headers.items()}
            known = self.path.endswith("/chat/completions")
            self._say(peer.say(Asked(self.path, headers, json.loads(raw), raw)) if known else error(404, "no such path"))

        def _say(self, say: Say) -> None:
            self.close_connection = True
            if peer.pause(say.wait) or say.drop:
                return
            body = say.body if isinstance(say.body, bytes) else json.dumps(say.body, ensure_ascii=False).encode()
            self.send_response(say.status)
            for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **say.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            for piece in (body[i : i + 1] for i in range(len(body))) if say.drip else (body,):
                if say.drip and peer.pause(say.drip):
                    return
                self.wfile.write(piece)
                self.wfile.flush()

        def handle_one_request(self) -> None:
            try:
                super().handle_one_request()
            except OSError:
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


def _stage(stage: dict[str, Any], lines: list[Line]) -> dict[str, Any]:
    found = [(c, _best(c, lines)) for c in stage["criteria"]]
    criteria = [_criterion(c["criterion_id"], line) for c, line in found]
    if "applies" not in stage:
        return {"stage_id": stage["stage_id"], "occasion": [], "applicable": True, "criteria": criteria}
    about = {"ask": stage["applies"], "speaker": "customer", "yes": re.split(r"[(),;]", stage["applies"])}
    occasion = _best(about, lines)
    return {
        "stage_id": stage["stage_id"],
        "occasion": [occasion.number] if occasion else [],
        "applicable": occasion is not None,
        "criteria": criteria if occasion else [],
    }


def _criterion(criterion_id: str, line: Line | None) -> dict[str, Any]:
    return {
        "criterion_id": criterion_id,
        "evidence": [line.number] if line else [],
        "quote": " ".join(line.text.split()[:8]) if line else "",
        "reason": "Это прозвучало." if line else "Этого не прозвучало.",
        "met": line is not None,
        "confidence": 0.9 if line else 0.8,
    }


def _best(criterion: dict[str, Any], lines: Iterable[Line]) -> Line | None:
    mine = [line for line in lines if criterion["speaker"] in ("any", line.speaker) or line.speaker == "unknown"]
    scored = [(_likeness(criterion, line.text), line) for line in mine]
    score, line = max(scored, key=lambda one: one[0], default=(0.0, None))
    return line if score >= ENOUGH else None


def _likeness(criterion: dict[str, Any], text: str) -> float:
    words = _stems(text)
    yes = max((_share(words, example) for example in criterion.get("yes", [criterion["ask"]])), default=0.0)
    return yes - max((_share(words, example) for example in criterion.get("no", [])), default=0.0) * 0.5


def _share(words: set[str], example: str) -> float:
    wanted = _stems(example)
    return len(words & wanted) / len(wanted) if wanted else 0.0


def _stems(text: str) -> set[str]:
    return {word[:5] for word in re.findall(r"\w+", text.lower().replace("ё", "е")) if len(word) > 3}


def _field(one: dict[str, Any], lines: list[Line]) -> dict[str, Any]:
    for line in lines:
        value = _value(one, line.text)
        if value is not None and one.get("speaker", "any") in ("any", line.speaker):
            quote = " ".join(line.text.split()[:12])
            given = {"evidence": [line.number], "quote": quote, "reason": "Названо.", "value": value, "confidence": 0.9}
            return {"name": one["name"], **given}
    return {"name": one["name"], "evidence": [], "quote": "", "reason": "Не прозвучало.", "value": None, "confidence": 0.9}


def _value(one: dict[str, Any], text: str) -> str | None:
    kind = one["format"]
    patterns = {
        "+7 и десять цифр": r"<ТЕЛЕФОН_\d+>|\+?\d[\d ()-]{9,}",
        "адрес латиницей": r"<ПОЧТА_\d+>|\S+@\S+",
        "10 или 12 цифр": r"<ИНН_\d+>",
    }
    if kind in patterns or "цифрами" in kind:
        found = re.search(patterns.get(kind, r"\d[\d ]*\d|\d"), text)
        return found[0] if found else None
    named = [v for v in one.get("values", []) if any(w in text.lower() for w in (v, *one.get("synonyms", {}).get(v, [])))]
    return named[0] if named else None


def main() -> None:
    parser = argparse.ArgumentParser(description="A chat server that judges by word overlap.")
    parser.add_argument("--port", type=int, default=9100)
    parser.add_argument("--model", choices=["judge", "gullible"], default="judge")
    parser.add_argument("--refuse", choices=["json_schema", "json_object", "temperature"], action="append", default=[])
    parser.add_argument("--wait", type=float, default=0.0, help="seconds before every answer")
    options = parser.parse_args()
    refuses = {name: error(400, f"unknown parameter: {name}") for name in options.refuse}
    model = good(judge if options.model == "judge" else gullible)
    with LlmPeer([lambda asked: replace(model(asked), wait=options.wait)], refuses, port=options.port) as peer:
        sys.stdout.write(f"ROP_LLM_URL={peer.url}\n")
        sys.stdout.flush()
        while True:
            time.sleep(3600)


if __name__ == "__main__":
    main()
