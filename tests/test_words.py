"""The Spanish catalogue, and that the pages use it."""

from html import unescape
from typing import Any

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file

from tools import words


def test_every_sentence_is_in_spanish_and_compiled() -> None:
    assert words.faults(words.sentences(), words.read(words.PO), words.compiled()) == []


def catalogue(*pairs: tuple[Any, Any]) -> Catalog:
    made = words.Words()
    for said, string in pairs:
        made.add(said, string)
    return made


@pytest.mark.parametrize(
    ("said", "string", "expected"),
    [
        ("Turn in my test", "Entregar mi examen", None),
        ("Turn in my test", "", "not translated"),
        (("%(num)s day", "%(num)s days"), ("%(num)s día", "%(num)s días"), None),
        (("%(num)s day", "%(num)s days"), ("%(num)s día", ""), "not translated"),
        (("%(num)s day", "%(num)s days"), ("%(num)s día", "%(number)s días"), "other blanks"),
        ("Question {number} of {items}", "Pregunta {number} de {items}", None),
        ("Question {number} of {items}", "Pregunta {numero} de {items}", "other blanks"),
        ("All of them", "El 100 % de ellas", "a single % sign"),
        (" or ", "o", "other spaces"),
    ],
)
def test_a_translation_keeps_what_the_page_fills_in(said: Any, string: Any, expected: str | None) -> None:
    held = catalogue((said, string))
    found = words.faults(catalogue((said, None)), held, held)
    assert [fault.partition(":")[0].startswith(expected or "") for fault in found] == ([True] if expected else [])


def test_a_sentence_that_is_new_or_gone_is_found() -> None:
    held = catalogue(("Review", "Revisar"))
    assert words.faults(catalogue(("Check", None)), held, held) == ["not taken in yet: Check", "said nowhere any more: Review"]


def test_a_compiled_catalogue_of_yesterday_is_found() -> None:
    held, compiled = catalogue(("Review", "Revisar")), catalogue(("Review", "Repasar"))
    assert words.faults(catalogue(("Review", None)), held, compiled) == ["messages.mo is not what messages.po compiles to"]


def test_a_changed_sentence_starts_without_a_translation() -> None:
    fresh = words.updated(catalogue(("Review and turn in", None), ("Next", None)), catalogue(("Review", "Revisar"), ("Next", "Siguiente")))
    assert {words.first(message): message.string or "" for message in words.listed(fresh)} == {
        "Review and turn in": "",
        "Next": "Siguiente",
    }


def sentences_of(template: str) -> set[str]:
    """What a template says in English, as far as Spanish says it in other words."""
    held = words.read(words.PO)
    said = {
        form
        for _, message, _, context in extract_from_file("jinja2", words.ROOT / "templates" / template, options={"trimmed": "true"})
        for form in words.forms(message)
        if (known := held.get(message, context)) is not None and form not in words.forms(known.string)
    }
    assert said
    return said


@pytest.mark.parametrize(
    ("path", "templates", "expected"),
    [
        (
            "/candidate/sign-in",
            ["layouts/candidate.html", "delivery/sign_in.html"],
            ["Entrar a su examen", "Escriba el código de admisión de su invitación.", "¿Necesita ayuda? Llame a la mesa de ayuda:"],
        ),
        ("/proctor/sign-in", ["layouts/candidate.html", "accounts/sign_in.html"], ["Seis dígitos", "Supervisores"]),
        ("/nowhere", ["layouts/candidate.html", "errors/refusal.html"], ["Esta página no está aquí", "Volver a su primera página"]),
        ("/", ["layouts/candidate.html", "web/front.html"], ["El día de su examen", "Tengo un examen"]),
    ],
)
def test_a_page_asked_for_in_spanish_is_in_spanish(visit: Any, path: str, templates: list[str], expected: list[str]) -> None:
    page = unescape(visit().get(f"{path}?lang=es").get_data(as_text=True))
    assert '<html lang="es"' in page
    assert [sentence for sentence in expected if sentence not in page] == []
    for template in templates:
        # A short word such as "or" also stands inside of Spanish words and of addresses.
        assert [sentence for sentence in sentences_of(template) if len(sentence) > 12 and sentence in page] == []


def test_the_chosen_language_is_kept_for_the_next_page(visit: Any) -> None:
    visitor = visit()
    visitor.get("/candidate/sign-in?lang=es")
    assert "Entrar a su examen" in visitor.get("/candidate/sign-in").get_data(as_text=True)
    visitor.get("/candidate/sign-in?lang=en")
    assert "Sign in to your test" in visitor.get("/candidate/sign-in").get_data(as_text=True)


def test_a_browser_that_asks_for_spanish_gets_it(visit: Any) -> None:
    page = visit().get("/candidate/sign-in", headers={"Accept-Language": "es-MX,es;q=0.9,en;q=0.5"}).get_data(as_text=True)
    assert '<html lang="es"' in page
