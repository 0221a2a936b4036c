"""Whether a name in a greeting is the speaker's own or the listener's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tasks.engines.analyst.rules.names import Person, is_first_name
from tasks.engines.analyst.rules.scene import Scene, Turn
from tasks.engines.analyst.rules.text import Token, words_of

ORGANISATION = words_of(
    "компания фирма салон центр клиника студия агентство банк магазин отдел сервис школа фабрика завод автосалон группа ооо ао ип "
    "холдинг служба мастерская ателье ресторан гостиница отель кафе типография автосервис автошкола стоматология страхование лизинг "
    "бюро дом клуб фонд застройщик жк предприятие бизнес-центр склад база интернет-магазин оператор провайдер доставка сеть "
    "турагентство издательство аптека"
)
ROLE = words_of(
    "менеджер специалист консультант администратор оператор эксперт диспетчер секретарь директор заведующий методист координатор юрист "
    "адвокат бухгалтер риелтор брокер инженер мастер прораб дизайнер врач куратор агент представитель помощник ассистент сотрудник "
    "тренер преподаватель педагог репетитор водитель курьер повар кондитер парикмахер стилист флорист нотариус психолог экскурсовод "
    "логист технолог механик сантехник электрик агроном фотограф закупщик оценщик"
)
SELF = words_of("слушаю слушает беспокоит беспокоят приветствует говорит связи линии проводе телефоне аппарате звоню представлюсь")
WANTED = words_of("зовут звать представьтесь кем кого")
# «это Эля из …», «тренер Костя слушает»: a sign that the speaker is meant and one that says who it is, without signs of the listener.
SAYS = frozenset(("intro this", "intro self", "intro from", "intro before company"))
WHO = frozenset(("intro role", "intro organisation", "intro from", "intro self"))
NOT_SAID = frozenset(("intro question", "intro asked", "intro oblique", "intro address", "intro theirs", "intro company named so"))
NEAR = 4  # words


def cues(scene: Scene, turn: Turn) -> frozenset[str]:
    """Named signs that the turn does or does not introduce its speaker, about the likeliest name in it."""
    found: set[str] = set()
    person = likeliest(turn)
    if person is not None:
        found.update(_cues(turn, person))
        if person.text.split()[0] in _listener_names(scene, turn):
            found.add("intro theirs")
        if len(turn.people) > 1:
            found.add("intro several")
    if own_name(turn) is not None:
        found.add("intro named")
    if found & SAYS and found & WHO and not found & NOT_SAID:
        found.add("intro told")
    before = scene.previous(turn)
    if before is not None and any(t.norm in WANTED for t in before.words):
        found.add("intro wanted")
    return frozenset(found)


def about(turn: Turn, person: Person) -> frozenset[str]:
    """The signs about one of the names."""
    return frozenset(_cues(turn, person))


def likeliest(turn: Turn) -> Person | None:
    """Of several names, the one without a patronymic that stands by a role or a company; the later one on a tie."""
    plain = [p for p in turn.people if not any("Patr" in t.grammar.tags for t in turn.tokens[p.start : p.end])] or list(turn.people)
    return max(
        plain,
        key=lambda p: (len({"intro organisation", "intro role", "intro self", "intro this"} & set(_cues(turn, p))), p.start),
        default=None,
    )


def own_name(turn: Turn) -> tuple[int, int] | None:
    """The tokens after «меня зовут», whatever the name is: recognisers spell rare names in unknown ways."""
    tokens = turn.tokens
    for at, token in enumerate(tokens):
        if token.norm not in ("зовут", "звать") and token.lemma != "имя":
            continue
        around = {t.norm for t in tokens[max(0, at - 3) : at + 2]}
        if around & {"как", "вас", "тебя", "ваше", "его", "ее", "их", "какое"} or not around & {"меня", "мое", "зовут"}:
            continue
        after = [i for i in range(at + 1, min(at + 4, len(tokens))) if tokens[i].is_word and tokens[i].norm not in ("меня", "вот", "я")]
        before = [i for i in range(max(0, at - 3), at) if is_first_name(tokens[i])]
        if after and (is_first_name(tokens[after[0]]) or (not before and _could_be_name(turn, after[0]))):
            return after[0], after[0] + 1
        if before:
            return before[-1], before[-1] + 1
    return None


def _could_be_name(turn: Turn, at: int) -> bool:
    token = turn.tokens[at]
    return not token.grammar.known or "NOUN" in token.grammar.tags


def _cues(turn: Turn, person: Person) -> Iterator[str]:
    tokens = turn.tokens
    before = tokens[max(0, person.start - NEAR) : person.start]
    after = tokens[person.end : person.end + NEAR]
    words_before, words_after = [t for t in before if t.is_word], [t for t in after if t.is_word]
    yield from _places(tokens, person, words_before, words_after)
    near = (*words_before, *words_after)
    if any(t.norm in ("это", "я", "вам") for t in _before_role(words_before)):
        yield "intro question" if _asked(after) else "intro this"
    if any(t.lemmas & ROLE for t in near):
        yield "intro role"
    if any(t.norm in SELF for t in near):
        yield "intro self"
    if words_after and words_after[0].norm in ("из", "с", "от"):
        yield "intro from"
    if words_before and (words_before[-1].norm in ("вас", "вам") or words_before[-1].lemma == "обращаться"):
        yield "intro address"
    if any("Patr" in t.grammar.tags for t in tokens[person.start : person.end]):
        yield "intro patronymic"
    if _asked(after):
        yield "intro asked"
    if words_after and words_after[0].norm in ("вы", "вам", "вас", "скажите", "подскажите", "расскажите", "очень", "удобно", "меня", "это"):
        yield "intro then you"
    if not tokens[person.start].grammar.nominative:
        yield "intro oblique"


def _before_role(words: Sequence[Token]) -> Sequence[Token]:
    """The word before the name; the one before «тренер Костя» when a role stands between."""
    return words[-2:] if words and words[-1].lemmas & ROLE else words[-1:]


def _places(tokens: Sequence[Token], person: Person, before: Sequence[Token], after: Sequence[Token]) -> Iterator[str]:
    """Where the name stands: first, last, in quotes, beside a greeting, after or before the company."""
    if any(t.lemmas & ORGANISATION for t in (*before, *after)):
        yield "intro organisation"
    if before and before[-1].lemmas & ORGANISATION:
        yield "intro company named so"
    elif any(t.lemmas & ORGANISATION for t in before):
        yield "intro after company"
    if after and any(t.lemmas & ORGANISATION for t in after[:2]):
        yield "intro before company"
    if person.start and tokens[person.start - 1].norm in '«("':
        yield "intro quoted"
    if person.start == 0:
        yield "intro first"
    if person.end >= len([t for t in tokens if t.norm not in ".!,"]) - 1:
        yield "intro last"
    if before and before[-1].norm in ("здравствуйте", "день", "вечер", "утро", "приветствую"):
        yield "intro after hello"
    if after and after[0].norm in ("здравствуйте", "добрый", "доброе", "приветствую"):
        yield "intro before hello"


def _asked(after: Sequence[Token]) -> bool:
    return bool(after) and after[0].norm == "?"


def _listener_names(scene: Scene, turn: Turn) -> frozenset[str]:
    """First names that the other side has said before: they introduced themselves."""
    earlier = (t for t in scene.turns[: turn.place] if t.speaker != turn.speaker)
    return frozenset(person.text.split()[0] for t in earlier for person in t.people)
