"""A conversation made ready for the detectors: words, entities, neighbours; talk about the check itself is cut out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from checklists.definitions import Party, Window
from checklists.transcript import Speaker, Transcript, Utterance
from tasks.engines.analyst.rules import contacts, dates, money, names
from tasks.engines.analyst.rules.numbers import Number, numbers
from tasks.engines.analyst.rules.phrases import Hit, house_lexicon, meta_lexicon
from tasks.engines.analyst.rules.text import Token, repair, tokens, words_of

PRICE_ASKED = words_of("почем цена ценник стоимость прайс расценка тариф деньги сумма смета чек стоить встать обойтись ставка комиссия")
PRICE_VERBS = words_of("стоить выйти выходить обойтись быть получиться брать взять это")
SENTENCE_ENDS = frozenset(".!?;…")
LONG_SENTENCE = 14  # words of an unpunctuated turn above which only the neighbourhood of check talk is cut
CUT_BEFORE, CUT_AFTER = 1, 3  # words around check talk that go with it there
ASKING = words_of(
    "какой какая какое какие какую каким какими каких каком что чего чему чем как когда где куда откуда кто кого кому кем "
    "сколько зачем почему отчего насколько чей который"
)
TELLING = words_of("расскажите расскажи опишите подскажите скажите поделитесь уточните назовите обрисуйте поясните напомните")


@dataclass(frozen=True)
class Turn:
    """One utterance that counts. `id` is its number in the transcript, `place` its place among those that count.

    `said` are its original words; `length` is that of their repaired form, of which the tokens hold offsets.
    """

    id: int
    place: int
    speaker: Speaker
    tokens: tuple[Token, ...]
    seconds: tuple[float, float]
    said: str
    length: int
    millions: bool = field(default=False, compare=False)
    asked_price: bool = field(default=False, compare=False)

    @cached_property
    def words(self) -> tuple[Token, ...]:
        return tuple(t for t in self.tokens if t.is_word)

    @cached_property
    def plain(self) -> str:
        """Words alone, in lower case: what the sentence encoder reads, the same for clean and recognised text."""
        return " ".join(t.norm for t in self.words)

    @cached_property
    def written(self) -> str:
        """The repaired text of the tokens, each at its offset; what was cut out is blank."""
        out, at = "", 0
        for token in self.tokens:
            out += " " * (token.start - at) + token.norm
            at = token.end
        return out

    def said_from(self, offset: int) -> str:
        """The original words from an offset of `written`; empty where repairs have moved the offsets."""
        return self.said[offset:] if len(self.said) == self.length else ""

    @cached_property
    def hits(self) -> tuple[Hit, ...]:
        lexicon = house_lexicon()
        found: list[Hit] = []
        for start, end in sentences(self.tokens):
            found += (replace(h, start=h.start + start, end=h.end + start) for h in lexicon.hits(self.tokens[start:end]))
        return tuple(found)

    @cached_property
    def groups(self) -> frozenset[str]:
        """Lexicon groups that occur and are not negated."""
        return frozenset(h.group for h in self.hits if not h.negated)

    @cached_property
    def negated(self) -> frozenset[str]:
        return frozenset(h.group for h in self.hits if h.negated)

    @cached_property
    def numbers(self) -> tuple[Number, ...]:
        return tuple(numbers(self.tokens))

    @cached_property
    def moments(self) -> tuple[dates.Moment, ...]:
        return tuple(dates.moments(self.tokens, self.numbers))

    @cached_property
    def phones(self) -> tuple[contacts.Contact, ...]:
        return tuple(contacts.phones(self.tokens, self.written))

    @cached_property
    def money(self) -> tuple[money.Money, ...]:
        taken = [(m.start, m.end) for m in self.moments] + [(c.start, c.end) for c in self.phones]
        return tuple(money.sums(self.tokens, self.numbers, taken, millions=self.millions, asked=self.asked_price))

    @cached_property
    def people(self) -> tuple[names.Person, ...]:
        return tuple(names.people(self.tokens))

    @cached_property
    def marked_question(self) -> bool:
        return any(t.norm == "?" for t in self.tokens)

    @cached_property
    def worded_question(self) -> bool:
        """An interrogative word near the start of a sentence, or an invitation to tell."""
        return any(_worded(self.tokens[start:end]) for start, end in sentences(self.tokens))


@dataclass(frozen=True)
class Scene:
    """The turns in order. `punctuated` is false for raw recogniser text, where a missing «?» means nothing."""

    turns: tuple[Turn, ...]
    sure: bool
    punctuated: bool
    talk_of_check: bool
    duration: float

    def may(self, turn: Turn, party: Party) -> bool:
        """Whether the words may count for `party`; a doubtful diarisation relaxes the rule."""
        return party == "any" or turn.speaker in (party, "unknown") or not self.sure

    def previous(self, turn: Turn, back: int = 1) -> Turn | None:
        """The `back`-th nearest earlier turn of the other side; of anybody when the speakers are unsure."""
        return self._other(turn, reversed(self.turns[: turn.place]), back)

    def following(self, turn: Turn, ahead: int = 1) -> Turn | None:
        """The `ahead`-th nearest later turn of the other side."""
        return self._other(turn, iter(self.turns[turn.place + 1 :]), ahead)

    def neighbour(self, turn: Turn, step: int) -> Turn | None:
        """The turn `step` places away, whoever speaks."""
        place = turn.place + step
        return self.turns[place] if 0 <= place < len(self.turns) else None

    def inside(self, turn: Turn, window: Window | None) -> bool:
        """Whether the turn lies in the window, counted over the turns that count."""
        if window is None:
            return True
        limits = (
            (window.first_utterances, turn.place),
            (window.last_utterances, len(self.turns) - 1 - turn.place),
            (window.first_seconds, turn.seconds[0]),
            (window.last_seconds, self.duration - turn.seconds[1]),
        )
        return all(limit is None or value < limit for limit, value in limits)

    def _other(self, turn: Turn, others: Iterator[Turn], which: int) -> Turn | None:
        for other in others:
            if not self.sure or other.speaker != turn.speaker:
                which -= 1
                if which == 0:
                    return other
        return None


def scene(transcript: Transcript) -> Scene:
    """Prepares a transcript; utterances without words, or about the check alone, leave no turn."""
    kept: list[tuple[Utterance, tuple[Token, ...]]] = []
    talk = False
    for utterance in transcript.utterances:
        all_tokens = tokens(repair(utterance.text))
        clean = without_quoted_speech(without_check_talk(all_tokens))
        talk = talk or _any_check_talk(all_tokens)
        if any(t.is_word for t in clean):
            kept.append((utterance, clean))
    millions = _speaks_of_millions([t for _, t in kept])
    turns = tuple(_turn(kept, place, millions=millions) for place in range(len(kept)))
    marks = sum(t.norm in SENTENCE_ENDS for turn in turns for t in turn.tokens)
    duration = transcript.duration or (transcript.utterances[-1].end if transcript.utterances else 0.0)
    return Scene(turns, transcript.speakers_sure, marks * 3 >= len(turns) > 0, talk, duration)


def _turn(kept: Sequence[tuple[Utterance, tuple[Token, ...]]], place: int, *, millions: bool) -> Turn:
    utterance, clean = kept[place]
    asked = place > 0 and kept[place - 1][0].speaker != utterance.speaker and asks_price(kept[place - 1][1])
    times, length = (utterance.start, utterance.end), len(repair(utterance.text))
    return Turn(utterance.id, place, utterance.speaker, clean, times, utterance.text, length, millions, asked)


def asks_price(said: Sequence[Token]) -> bool:
    """«почём», «какая цена», «и сколько», «а по деньгам как»."""
    words = [t for t in said if t.is_word]
    lemmas = frozenset(lemma for t in words for lemma in t.lemmas)
    return bool(lemmas & PRICE_ASKED) or ("сколько" in lemmas and (len(words) <= 4 or bool(lemmas & PRICE_VERBS)))


def without_check_talk(all_tokens: tuple[Token, ...]) -> tuple[Token, ...]:
    """Leaves out the sentences that speak of scores, the checklist or the checker: they are data, and no merit."""
    kept: list[Token] = []
    for start, end in sentences(all_tokens):
        sentence = all_tokens[start:end]
        cut = _check_talk(sentence)
        if cut is None:
            kept += sentence
        elif sum(t.is_word for t in sentence) > LONG_SENTENCE and sentence[-1].norm not in SENTENCE_ENDS:
            kept += [*sentence[: max(0, cut[0] - CUT_BEFORE)], *sentence[cut[1] + CUT_AFTER :]]
    return tuple(kept)


def without_quoted_speech(all_tokens: tuple[Token, ...]) -> tuple[Token, ...]:
    """Leaves out «…» after a colon: what somebody else said, or what a script says, is not said here."""
    kept: list[Token] = []
    inside = False
    for index, token in enumerate(all_tokens):
        before = all_tokens[index - 1].norm if index else ""
        inside = inside or (token.norm == "«" and before == ":")
        if not inside:
            kept.append(token)
        inside = inside and token.norm != "»"
    return tuple(kept)


def _any_check_talk(all_tokens: Sequence[Token]) -> bool:
    return any(_check_talk(all_tokens[start:end]) is not None for start, end in sentences(all_tokens))


def _check_talk(sentence: Sequence[Token]) -> tuple[int, int] | None:
    """The token range of check talk in a sentence."""
    hits = meta_lexicon().hits(sentence)
    kinds = {h.group for h in hits}
    if not hits or ("strong" not in kinds and len(kinds) < 2):
        return None
    return min(h.start for h in hits), max(h.end for h in hits)


def sentences(all_tokens: Sequence[Token]) -> list[tuple[int, int]]:
    """Token ranges between sentence marks; the mark belongs to its sentence."""
    found: list[tuple[int, int]] = []
    start = 0
    for index, token in enumerate(all_tokens):
        inside_number = token.norm == "." and index + 1 < len(all_tokens) and all_tokens[index + 1].start == token.end
        if token.norm in SENTENCE_ENDS and not inside_number:
            found.append((start, index + 1))
            start = index + 1
    if start < len(all_tokens):
        found.append((start, len(all_tokens)))
    return found


def _worded(sentence: Sequence[Token]) -> bool:
    words = [t.norm for t in sentence if t.is_word]
    return any(w in TELLING for w in words) or any(w in ASKING for w in words[:6]) or "ли" in words[:5]


def _speaks_of_millions(turns: Sequence[Sequence[Token]]) -> bool:
    return any(t.lemma in ("миллион", "млн", "миллиард", "лям") for tokens_ in turns for t in tokens_)
