from datetime import UTC, datetime

import pytest

from chat_app.auth.totp import (
    is_backup_code,
    is_totp_code,
    matching_step,
    new_backup_codes,
    new_secret,
    normalize_code,
    uri_of,
)

SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"  # RFC 6238, appendix B: "12345678901234567890"


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
    ],
)
def test_the_standards_own_codes_match(seconds: int, code: str) -> None:
    now = datetime.fromtimestamp(seconds, UTC)
    assert matching_step(SECRET, code, now) == seconds // 30


@pytest.mark.parametrize(("off", "is_right"), [(-60, False), (-30, True), (30, True), (60, False)])
def test_a_clock_may_be_one_step_off(off: int, is_right: bool) -> None:
    now = datetime.fromtimestamp(1111111109 + off, UTC)
    assert (matching_step(SECRET, "081804", now) is not None) is is_right


@pytest.mark.parametrize("code", ["", "08180", "0818044", "081805", "٠٨١٨٠٤", "\ud800", "abcdef"])
def test_anything_else_matches_nothing(code: str) -> None:
    assert matching_step(SECRET, code, datetime.fromtimestamp(1111111109, UTC)) is None


def test_people_may_put_spaces_and_dashes_where_they_like() -> None:
    assert normalize_code(" 081 804 ") == "081804"
    assert normalize_code("abcd-efgh ijkl\tmnop") == "ABCDEFGHIJKLMNOP"
    assert len(normalize_code("1" * 100_000)) < 100


def test_the_two_kinds_of_code_cannot_be_confused() -> None:
    assert is_totp_code("081804")
    assert not is_totp_code("٠٨١٨٠٤")
    for code in new_backup_codes():
        assert is_backup_code(normalize_code(code))
        assert not is_totp_code(normalize_code(code))
    for code in ("081804", "ABCDEFGHIJKLMNO", "ABCDEFGHIJKLMNO1", "ABCDEFGHIJKLMNOPQ", ""):
        assert not is_backup_code(code)


def test_ten_different_backup_codes_are_made() -> None:
    codes = new_backup_codes()
    assert len({normalize_code(code) for code in codes}) == 10
    assert all(len(code) == 19 for code in codes)
    assert not set(codes) & set(new_backup_codes())


def test_a_secret_has_160_bits_and_its_uri_names_the_person_and_the_site() -> None:
    secret = new_secret()
    assert len(secret) == 32
    assert secret != new_secret()
    uri = uri_of(secret, account="ada@example.org", site="chat.example")
    assert uri.startswith("otpauth://totp/chat.example:ada%40example.org?")
    assert f"secret={secret}" in uri
    assert "issuer=chat.example" in uri
