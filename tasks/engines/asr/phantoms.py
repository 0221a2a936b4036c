"""What recognisers of this family invent where nobody speaks, and what machines say instead of people."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from checklists.transcript import Word

# Credits of the subtitles the model was trained on. Nobody says them on the phone: dropped wherever they stand.
_NAME = r"(?: \w)? (?!корректор)\w{2,}"
_CREDITS = re.compile(
    rf"редактор субтитров(?:{_NAME})?(?: корректор{_NAME})?"
    r"|корректор а \w+"
    r"|субтитры (?:сделал|создавал|подогнал|делал|предоставил)\w*(?: \w+)?"
    r"|продолжение следует"
    r"|dimatorzok|amara org|subtitles by(?: \w+){0,4}"
)
# A caption of a sound, or the farewell of a video: dropped when it is all that was said in one go.
_CAPTION = re.compile(
    r"(?:(?:\w+ ){0,2}музыка|музыкальная заставка|телефонный звонок|звонок (?:телефона|в дверь)|аплодисменты|смех|гудки?|тишина"
    r"|субтитры|спасибо за просмотр|спасибо за внимание|подписывайтесь на(?: \w+){1,3}|ставьте лайки?(?: \w+){0,4}"
    r"|до новых встреч|thanks? (?:you )?for watching|please subscribe|you|музыка \w+|динамичная \w+)"
)
# Of the captions, those that people do say: they need the recogniser's own doubt as well.
_SAYABLE = re.compile(r"спасибо за внимание|до новых встреч|смех|гудки?|тишина|музыка|субтитры|you")
DOUBT_NO_SPEECH = 0.5
DOUBT_CONFIDENCE = 0.5

_MACHINE = re.compile(
    r"(?:аппарат|телефон|номер) \w*\s?абонента"
    r"|абонент (?:временно )?(?:не(?:доступен| отвечает| может)|занят|находится вне)"
    r"|вне зоны (?:действия|доступа)"
    r"|оставьте (?:ваше |свое |голосовое )*сообщение"
    r"|после (?:звукового |длинного )?(?:сигнала|гудка)"
    r"|голосов(?:ой|ую) (?:почт|ящик)\w*"
    r"|номер (?:не обслуживается|набран неправильно|не существует)"
    r"|перезвоните (?:позже|позднее)|попробуйте (?:перезвонить|позвонить) (?:позже|позднее)"
    r"|вызов переадресован|вы можете оставить"
)
# So few words beside a machine's announcement are a «алло», not a conversation.
WORDS_OF_A_CONVERSATION = 8
MACHINE_SIGNS = 2


def plain(text: str) -> str:
    """Lower case, ё as е, words separated by single spaces, nothing else."""
    return " ".join(re.findall(r"\w+", text.lower().replace("ё", "е")))


def spoken(words: Sequence[Word]) -> list[Word]:
    """The words without invented credits."""
    texts = [plain(word.text) for word in words]
    line, places = _joined(texts)
    dropped = {place for match in _CREDITS.finditer(line) for place in places[match.start() : match.end()]}
    return [word for i, word in enumerate(words) if i not in dropped]


def invented(words: Sequence[Word], no_speech: float) -> bool:
    """Whether a whole turn is a caption of a sound rather than words; `no_speech` is the recogniser's doubt, 0 to 1."""
    text = plain(" ".join(word.text for word in words))
    if not text:
        return True
    if not _CAPTION.fullmatch(text):
        return False
    shouted = " ".join(word.text for word in words).isupper()
    doubted = no_speech > DOUBT_NO_SPEECH or min(word.confidence for word in words) < DOUBT_CONFIDENCE
    return shouted or doubted or not _SAYABLE.fullmatch(text)


def machine_only(texts: Iterable[str]) -> bool:
    """Whether a whole recording is an answering machine or an operator's announcement with nobody to talk to."""
    lines = [plain(text) for text in texts]
    signs = sum(len(_MACHINE.findall(line)) for line in lines)
    people = sum(len(line.split()) for line in lines if not _MACHINE.search(line))
    return signs >= MACHINE_SIGNS and people < WORDS_OF_A_CONVERSATION


def _joined(texts: Sequence[str]) -> tuple[str, list[int]]:
    """All words in one line, and for every character the word it belongs to."""
    line, places = "", []
    for i, text in enumerate(texts):
        line += text + " "
        places += [i] * (len(text) + 1)
    return line, places
