"""Items by chance, of every sort that a reader hands over: for what has to hold of all of them."""

from dataclasses import replace
from decimal import Decimal
from html import escape

from hypothesis import strategies as st

from testing_platform.itembank.exchange.drafts import Asset, Choice, Draft, Mapping, StimulusDraft
from testing_platform.itembank.exchange.keys import is_true_false
from testing_platform.itembank.exchange.safety import Cleaner, Pictures, says_something, words
from tests.itembank.exchange.made import png

PICTURES = {asset.name: asset for asset in (Pictures().asset(png(width), "x") for width in (1, 2, 3))}
# What means something to one of the formats, or to none and everyone trips over.
PIECES = [
    "::", "{=a ~b}", "~%50%", "%100%", "//", "\\n", "\\", "#", "####", "->", "[html]", "[id:3]", "$CATEGORY: a/b", "A. x", "B) y", "ANSWER: B", "=1+1",
    "+1", "-2", "@x", "]]>", "<![CDATA[", "&amp;", "&lt;b&gt;", "&nbsp;", "<", ">", '"', "'", "''", ";", ",", "|", "b", "a, c", "T", "FALSE",
    "\u00a0", "\u2028", "\u3000", "שָׁלוֹם", "مرحبا", "\u202eabc\u202c", "日本語", "🙂", "é", "e\u0301", "10 %", "{", "}", "long " * 400,
]  # fmt: skip
LETTERS = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff")
said = st.lists(st.sampled_from(PIECES) | st.text(LETTERS, max_size=12), min_size=1, max_size=5).map(" ".join)
line = said.map(lambda text: " ".join(text.split()))
FORMULA = '<math alttext="{0}"><msup><mi>{0}</mi><mn>2</mn></msup></math>'
PICTURE = '<img src="{name}" alt="{alt}">'


def wrapped(tag, attributes=""):
    return lambda inner: f"<{tag}{attributes}>{inner}</{tag}>"


plain = said.map(lambda text: escape(text, quote=False))
picture = st.builds(lambda name, alt: PICTURE.format(name=name, alt=escape(alt)), st.sampled_from(sorted(PICTURES)), said)
inline = st.recursive(
    plain | picture | st.just("<br>") | said.map(lambda text: FORMULA.format(escape(text))),
    lambda inner: st.one_of(
        *(inner.map(wrapped(tag)) for tag in ("strong", "em", "sub", "sup", "code", "u")),
        inner.map(wrapped("span", ' lang="he" dir="rtl"')),
        inner.map(wrapped("span", ' data-catalog-idref="c1"')),
        inner.map(lambda text: f"<ruby>漢<rt>{text}</rt></ruby>"),
        st.lists(inner, min_size=2, max_size=3).map("".join),
    ),
    max_leaves=5,
)
block = st.recursive(
    inline.map(wrapped("p")) | inline.map(wrapped("pre")),
    lambda inner: st.one_of(
        inner.map(wrapped("div")),
        inner.map(wrapped("blockquote")),
        inner.map(lambda text: f"<ol start='3'><li>{text}</li><li>x</li></ol>"),
        inner.map(
            lambda text: f"<table><caption>c</caption><tbody><tr><th scope='row'>{text}</th><td colspan='2'>1</td></tr></tbody></table>"
        ),
        st.lists(inner, min_size=2, max_size=3).map("\n".join),
    ),
    max_leaves=4,
)
html = st.one_of(inline, block, inline.map(wrapped("div")), st.tuples(inline, block).map("".join))


def cleaned(text):
    return Cleaner("x", PICTURES.__getitem__).clean(text)


def is_clean(text):
    """What a reader hands over stays as it is when it is read again."""
    return cleaned(text) == text and says_something(text)


texts = html.map(cleaned).filter(is_clean)
options = (inline | block).map(cleaned).filter(is_clean)
language = st.sampled_from(["", "en", "en-US", "he", "zh-Hant"])
CATALOGS = [
    "",
    '<ns0:qti-catalog-info xmlns:ns0="http://www.imsglobal.org/xsd/imsqtiasi_v3p0"><ns0:qti-catalog id="c1"><ns0:qti-card support="spoken"><ns0:qti-html-content>Say &lt;it&gt;</ns0:qti-html-content></ns0:qti-card></ns0:qti-catalog></ns0:qti-catalog-info>',
    '<qti-catalog-info><qti-catalog id="c1" /></qti-catalog-info>',
    '<ns0:apipAccessibility xmlns:ns0="http://www.imsglobal.org/xsd/apip/apipv1p0/qtiitem/imsqti_v2p1"><ns0:inclusionOrder /></ns0:apipAccessibility>',
]
names = st.one_of(
    st.permutations("ABCDEF").map(list), st.just(list("012345")), st.lists(line.filter(bool), min_size=6, max_size=6, unique=True), st.just([f"o {at}" for at in range(28)])
)  # fmt: skip
metadata = st.fixed_dictionaries(
    {},
    optional={
        "area": line.filter(bool),
        "level": st.sampled_from(["recall", "apply"]),
        "tags": st.lists(line.filter(bool), min_size=1, max_size=3),
        "statements": st.just(["K1", "A2"]),
        "difficulty": st.sampled_from(["easy", "hard"]),
        "calculator": st.just("yes"),
    },
)
weight = st.sampled_from([Decimal(text) for text in ("0.5", "1", "2", "0.3333333", "12.25")])


def assets_of(*held):
    return tuple(asset for name, asset in sorted(PICTURES.items()) if any(name in text for text in held))


@st.composite
def stimuli(draw):
    text = draw(texts)
    return StimulusDraft(draw(line) or "passage", draw(line), text, draw(language), assets_of(text))


@st.composite
def choices(draw, most=6):
    """Options, all different, and their names."""
    called = draw(names)
    number = len(called) if len(called) > 6 else draw(st.integers(2, most))
    held = (
        draw(st.lists(options, min_size=number, max_size=number, unique=True)) if number <= 6 else [f"option {at}" for at in range(number)]
    )
    why = draw(st.sampled_from(["", "because"])) or draw(line)
    return [
        Choice(name, text, draw(st.booleans()), rationale=why if draw(st.booleans()) else "")
        for name, text in zip(called, held, strict=False)
    ]


@st.composite
def items(draw, passage=None):
    kind = draw(st.sampled_from(["single", "single", "multiple", "truefalse"]))
    held = draw(choices())
    if kind == "truefalse":
        first, second = draw(st.permutations(["True", "False"]))
        held = [replace(held[0], html=first), replace(held[1], html=second)]
    elif is_true_false(words(choice.html) for choice in held):
        kind = "multiple"
    known = [choice.identifier for choice in held]
    chosen = draw(st.lists(st.sampled_from(known), min_size=1, max_size=len(known) if kind == "multiple" else 1, unique=True))
    if kind == "single" and draw(st.integers(0, 5)) == 0:
        chosen = known[:2] if len(known) > 2 else chosen
    mapping = None
    if draw(st.booleans()):
        mapping = draw(weights(kind, known, chosen))
    limit = draw(st.sampled_from([0, len(chosen), len(known)])) if kind == "multiple" else 1
    if kind == "multiple" and limit == 1:
        limit = 0
    stem = draw(texts)
    return Draft(
        source="x",
        identifier=draw(line),
        format="qti30",
        kind=kind,
        title=draw(line),
        stem=stem,
        choices=tuple(held),
        correct=tuple(name for name in known if name in chosen),
        mapping=mapping,
        shuffle=draw(st.booleans()),
        max_choices=limit,
        language=draw(language),
        stimulus=passage if passage is None or draw(st.booleans()) else draw(stimuli()),
        assets=assets_of(stem, *(choice.html for choice in held)),
        catalog=draw(st.sampled_from(CATALOGS)),
        metadata=draw(metadata),
        rationale=draw(st.lists(line, max_size=2).map("\n".join)),
    )


@st.composite
def weights(draw, kind, known, chosen):
    """Weights that the key earns the most by."""
    entries = {name: draw(weight) if kind == "multiple" else Decimal(2) for name in chosen}
    for name in known:
        if name not in chosen and draw(st.booleans()):
            entries[name] = -draw(weight) if kind == "multiple" or draw(st.booleans()) else Decimal("0.5")
    total = sum(entries[name] for name in chosen)
    lower = draw(st.sampled_from([None, Decimal(0), Decimal(-1)]))
    upper = draw(st.sampled_from([None, total])) if kind == "multiple" else None
    return Mapping(entries, lower, upper, draw(st.sampled_from([Decimal(0), Decimal("-0.25")])))


@st.composite
def banks(draw):
    """A few items, some of which share a passage."""
    passage = draw(st.none() | stimuli())
    return draw(st.lists(items(passage), min_size=1, max_size=3))


def asset_facts(assets):
    return sorted({(asset.name, asset.media_type, asset.data) for asset in assets})


def passage_facts(stimulus: StimulusDraft | None):
    return stimulus and (stimulus.title, stimulus.html, stimulus.language, asset_facts(stimulus.assets))


def facts(draft: Draft):
    """All that an item is, but where it was found."""
    about = {name: value for name, value in draft.metadata.items() if name != "resource"}
    places = {"source": "", "format": "", "position": 0, "notes": ()}
    return (
        replace(draft, **places, metadata=about, stimulus=None, assets=()),
        passage_facts(draft.stimulus),
        asset_facts(draft.assets),
    )


__all__ = ["PICTURES", "Asset", "banks", "cleaned", "facts", "items"]
