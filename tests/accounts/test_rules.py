import re

import pytest

from testing_platform.accounts import rules, service
from testing_platform.accounts.rules import Area
from tests.make import NOON


@pytest.mark.parametrize(
    ("typed", "plain"),
    [
        ("K7P4-29QM-XT", "K7P429QMXT"),
        ("k7p4-29qm-xt", "K7P429QMXT"),
        (" k7p4 29qm xt ", "K7P429QMXT"),
        ("K7P4–29QM–XT", "K7P429QMXT"),  # a dash that a word processor made long
        ("K7P429QMXT", "K7P429QMXT"),
        ("", ""),
        ("—", ""),
    ],
)
def test_a_code_is_read_without_what_does_not_matter(typed, plain):
    assert rules.plain_code(typed) == plain


def test_a_code_has_no_letters_that_are_mixed_up_on_the_telephone():
    codes = [rules.new_admission_code() for _ in range(200)]
    assert all(re.fullmatch(r"[2-9A-HJKMNP-Z]{4}-[2-9A-HJKMNP-Z]{4}-[2-9A-HJKMNP-Z]{2}", code) for code in codes)
    assert len(set(codes)) == 200


@pytest.mark.parametrize(
    ("path", "area"),
    [
        ("/candidate/", Area.CANDIDATE),
        ("/candidate", Area.CANDIDATE),
        ("/api/candidate/attempts/3/ticket", Area.CANDIDATE),
        ("/proctor/sessions/1", Area.PROCTOR),
        ("/api/proctor/attempts/1/acts", Area.PROCTOR),
        ("/analyst/", Area.ANALYST),
        ("/operator/", Area.OPERATOR),
        ("/", Area.PUBLIC),
        ("/api/", Area.PUBLIC),
        ("/api/clock", Area.PUBLIC),
        ("/candidates/", Area.PUBLIC),
        ("/static/candidate/x.js", Area.PUBLIC),
    ],
)
def test_area_of(path, area):
    assert rules.area_of(path) is area


def test_what_is_stored_of_a_token_differs_by_purpose_and_by_installation():
    hashes = {rules.keyed_hash(secret, purpose, "same") for secret in (b"one", b"two") for purpose in ("link", "code", "sign-in")}
    assert len(hashes) == 6
    assert all("same" not in hashed for hashed in hashes)


@pytest.mark.parametrize(("password", "good"), [("eleven char", False), ("twelve chars", True), ("x" * 200, True)])
def test_a_password_is_judged_by_its_length_alone(password, good):
    assert rules.password_is_long_enough(password) is good


SECRET = "JBSWY3DPEHPK3PXP" * 2


@pytest.mark.parametrize(("drift", "good"), [(-60, False), (-30, True), (0, True), (30, True), (60, False)])
def test_six_digits_may_be_one_step_early_or_late(drift, good):
    import pyotp

    digits = pyotp.TOTP(SECRET).at(int(NOON.timestamp()) + drift)
    here = int(NOON.timestamp()) // 30
    assert service.matching_step(SECRET, digits, NOON) == (here + drift // 30 if good else None)
    assert service.matching_step(SECRET, f"{digits[:3]} {digits[3:]}", NOON) == (here + drift // 30 if good else None)


@pytest.mark.parametrize("digits", ["", "12345", "abcdef", "１２３４５６", "١٢٣٤٥٦", "²²²²²²"])
def test_what_is_not_six_digits_matches_nothing(digits):
    assert service.matching_step(SECRET, digits, NOON) is None
