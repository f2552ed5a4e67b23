"""Clauses: who does what to whom, where, when and why, read off a dependency parse.

Simplifying sentences into clauses before asking is the approach of Heilman and Smith (2010), "Good
Question! Statistical Ranking for Question Generation".
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from spacy.tokens import Doc, Token

from ragtuned_kedro.synthesis.constituents import NAMES, phrase, referent, tidy

UNRESOLVED = frozenset(("he she it they him her them this that these those who which what").split())
SUBJECTS = frozenset({"nsubj", "nsubjpass"})
CORE = frozenset({"dobj", "attr", "acomp", "oprd", "xcomp", "dative", "agent", "ccomp"})
_ADJUNCTS = frozenset({"prep", "npadvmod", "advcl", "advmod", "pcomp"})
_DEICTIC = frozenset(
    (
        "today tonight yesterday tomorrow now then later already also too however again once "
        "yet still indeed anyway meantime here there"
    ).split()
)
_WH = frozenset(["who", "whom", "which", "that", "whose", "where", "when"])


@dataclass(frozen=True)
class Part:
    """One constituent beside the verb; `role` is its dependency label."""

    role: str
    root: Token
    text: str

    @property
    def is_core(self) -> bool:
        """Tell whether the verb needs it, as an object or complement."""
        return self.role in CORE


@dataclass(frozen=True)
class Clause:
    """A finite clause with its own or its inherited subject."""

    subject: str
    subject_root: Token
    auxiliaries: tuple[str, ...]
    verb: Token
    verb_form: str
    particle: str
    parts: tuple[Part, ...]
    is_negated: bool
    is_existential: bool = False

    @property
    def is_copular(self) -> bool:
        """Tell whether the main verb is a form of `be`."""
        return self.verb.lemma_ == "be" and not self.auxiliaries

    @property
    def verb_text(self) -> str:
        """The main verb with its particle."""
        return f"{self.verb_form} {self.particle}".strip()

    def predicate(self, parts: Iterable[Part]) -> str:
        """Say the clause without its subject, with these parts."""
        verbs = [*self.auxiliaries, self.verb_text]
        if self.is_negated:
            verbs.insert(1, "not")
        words = [*verbs, *(["there"] if self.is_existential else [])]
        return tidy(" ".join([*words, *(part.text for part in parts)]))

    def without(self, part: Part) -> "Clause":
        """Drop one part."""
        return replace(self, parts=tuple(p for p in self.parts if p is not part))


def read_clauses(doc: Doc) -> Iterator[Clause]:
    """Find the finite clauses of a statement that can be asked about."""
    for verb in doc:
        if verb.pos_ not in {"VERB", "AUX"} or verb.dep_ in {"aux", "auxpass"}:
            continue
        if sum(t.text == '"' for t in doc[: verb.i]) % 2:
            continue  # what somebody is quoted as saying
        clause = _clause(verb)
        if clause is not None:
            yield clause


def _clause(verb: Token) -> Clause | None:
    subject = _subject(verb)
    if subject is None or _says_nothing(subject):
        return None
    auxiliaries = _auxiliaries(verb)
    if verb.tag_ in {"VBG", "VBN", "VB"} and not auxiliaries:
        return None
    antecedent = verb.head if verb.dep_ == "relcl" else None
    parts = []
    for child in verb.children:
        if child == subject:
            continue
        if child.dep_ not in CORE | _ADJUNCTS or child.lower_ in _WH or child.dep_ in SUBJECTS:
            if antecedent is not None and child.dep_ == "dobj" and child.lower_ in _WH:
                parts.append(Part("dobj", antecedent, phrase(antecedent)))
            continue
        if child.lower_ in _DEICTIC or _is_deictic(child):
            continue
        text = phrase(child, detached=child.dep_ in {"advcl", "ccomp", "xcomp"})
        if text and not (set(text.lower().split()) & {"whose"}):
            parts.append(Part(child.dep_, child, text))
    particle = " ".join(c.text for c in verb.children if c.dep_ == "prt")
    agree = _third_person if subject.lower_ == "i" else str.lower
    return Clause(
        subject=_subject_text(subject, verb),
        subject_root=subject,
        auxiliaries=tuple(agree(t.text) for t in auxiliaries),
        verb=verb,
        verb_form=agree(verb.text) if verb.tag_ == "VBP" else verb.text.lower(),
        particle=particle,
        # What the writer put in front of the verb ("From October ...") is asked for at the end.
        parts=tuple(sorted(parts, key=lambda part: (part.root.i < verb.i, part.root.i))),
        is_negated=any(c.dep_ == "neg" for c in verb.children),
        is_existential=any(c.dep_ == "expl" for c in verb.children),
    )


def _subject(verb: Token) -> Token | None:
    """Find the clause's subject: its own, its antecedent's, or that of the verb it is joined to."""
    own = next((c for c in verb.children if c.dep_ in SUBJECTS), None)
    if own is None and any(c.dep_ == "expl" for c in verb.children):
        own = next((c for c in verb.children if c.dep_ == "attr"), None)
    if own is not None:
        if own.lower_ in {"who", "which", "that"} and verb.dep_ == "relcl":
            return referent(verb.head)
        return referent(own)
    if verb.dep_ == "conj" and verb.head.pos_ in {"VERB", "AUX"}:
        return _subject(verb.head)
    if verb.dep_ == "relcl" and any(
        c.lower_ in {"who", "which", "that"} and c.dep_ in SUBJECTS for c in verb.children
    ):
        return referent(verb.head)
    return None


def _says_nothing(subject: Token) -> bool:
    if subject.i in subject.doc.user_data.get(NAMES, {}):
        return False
    if subject.lower_ in {"one", "some", "most"}:
        return not any(child.dep_ == "prep" for child in subject.children)
    return subject.lower_ in UNRESOLVED | {"there", "i", "anyone", "nobody", "somebody", "neither"}


def _subject_text(subject: Token, verb: Token) -> str:
    inside = [t for t in subject.subtree if t == verb]
    text = phrase(subject, drop=[verb] if inside else [])
    return text


def _third_person(verb: str) -> str:
    """Turn the form after a writer's `I` into the form after the writer's name."""
    verb = verb.lower()
    irregular = {"am": "is", "have": "has", "do": "does", "'m": "is", "'ve": "has"}
    if verb in irregular:
        return irregular[verb]
    if verb in _SAME_IN_EVERY_PERSON:
        return verb
    return verb + ("es" if verb.endswith(("s", "x", "ch", "sh", "o")) else "s")


def _auxiliaries(verb: Token) -> list[Token]:
    own = [c for c in verb.children if c.dep_ in {"aux", "auxpass"} and c.lower_ != "to"]
    if own or verb.dep_ != "conj" or verb.tag_ not in {"VBN", "VBG", "VB"}:
        return own
    return _auxiliaries(verb.head) if verb.head.pos_ in {"VERB", "AUX"} else []


def _is_deictic(token: Token) -> bool:
    words = {t.lower_ for t in token.subtree}
    return token.dep_ in {"npadvmod", "prep"} and (
        bool(words & {"this", "last", "next"}) and bool(words & _TIME_NOUNS)
    )


_TIME_NOUNS = frozenset(
    ["morning", "afternoon", "evening", "night", "week", "month", "year", "summer", "winter"]
)

_SAME_IN_EVERY_PERSON = frozenset(
    ("will shall can could would should may might must had was did been 'd 'll").split()
)
