"""A value decrypts with the same installation's keys, for the same purpose, and unchanged."""

import base64
import json
import secrets
from pathlib import Path

import pytest
from joserfc.jwe import JWERegistry, encrypt_compact
from joserfc.jwk import OctKey

from chat_app.core.crypto import DecryptionError, KeyRing, derive_key
from chat_app.settings import ConfigError, read_settings

FIRST, SECOND, THIRD = (f"{number}-the-tests-own-key-9c41e7d2b3a86f50" for number in (1, 2, 3))


def ring(*keys: str) -> KeyRing:
    return KeyRing(
        read_settings(_env_file=None, auth_secret=keys[0], auth_secret_previous=keys[1:])
    )


def header_of(encrypted: str) -> dict[str, str]:
    part = encrypted.partition(".")[0]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def decrypts(keys: KeyRing, encrypted: str, purpose: str = "session") -> bool:
    try:
        keys.decrypt(purpose, encrypted)
    except DecryptionError:
        return False
    return True


def test_what_was_encrypted_decrypts() -> None:
    content = secrets.token_bytes(300)
    encrypted = ring(FIRST).encrypt("session", content)
    assert ring(FIRST).decrypt("session", encrypted) == content


def test_it_is_a_jwe_with_a_key_id_and_no_plaintext() -> None:
    encrypted = ring(FIRST).encrypt("session", b"ada@example.org")
    header = header_of(encrypted)
    assert len(header.pop("kid")) == 8
    assert header == {"alg": "dir", "enc": "A256CBC-HS512"}
    assert b"ada" not in base64.urlsafe_b64decode(encrypted.split(".")[3] + "==")


def test_the_same_content_is_encrypted_differently_each_time() -> None:
    keys = ring(FIRST)
    assert len({keys.encrypt("session", b"same") for _ in range(10)}) == 10


def test_a_value_for_one_purpose_does_not_decrypt_for_another() -> None:
    keys = ring(FIRST)
    encrypted = keys.encrypt("totp", b"secret")
    assert decrypts(keys, encrypted, "totp")
    assert not decrypts(keys, encrypted, "session")


def test_a_ciphertext_under_another_purposes_header_does_not_decrypt() -> None:
    keys = ring(FIRST)
    body = keys.encrypt("totp", b"secret").partition(".")[2]
    header = keys.encrypt("session", b"").partition(".")[0]
    assert not decrypts(keys, f"{header}.{body}")


def test_the_newest_key_encrypts_and_the_previous_ones_decrypt() -> None:
    old = ring(FIRST).encrypt("session", b"old")
    rotated = ring(SECOND, FIRST)
    new = rotated.encrypt("session", b"new")
    assert rotated.decrypt("session", old) == b"old"
    assert rotated.decrypt("session", new) == b"new"
    assert not decrypts(ring(FIRST), new)
    assert decrypts(ring(THIRD, SECOND, FIRST), old)
    assert decrypts(ring(THIRD, SECOND, FIRST), new)


def test_a_removed_key_decrypts_nothing() -> None:
    old = ring(FIRST).encrypt("session", b"old")
    assert not decrypts(ring(SECOND), old)


def test_a_value_of_a_previous_key_is_outdated() -> None:
    old = ring(FIRST).encrypt("totp", b"secret")
    rotated = ring(SECOND, FIRST)
    assert rotated.is_outdated("totp", old)
    assert not rotated.is_outdated("totp", rotated.encrypt("totp", b"secret"))
    assert not ring(FIRST).is_outdated("totp", old)


def _changed(encrypted: str) -> list[str]:
    """One character of each part changed, in the middle, where no bit is padding."""
    parts = encrypted.split(".")
    found = []
    for at, part in enumerate(parts):
        middle = len(part) // 2
        other = "A" if part[middle : middle + 1] != "A" else "B"
        changed = part[:middle] + other + part[middle + 1 :]
        found.append(".".join([*parts[:at], changed, *parts[at + 1 :]]))
    return found


def test_a_changed_part_does_not_decrypt() -> None:
    keys = ring(FIRST)
    assert [
        decrypts(keys, changed) for changed in _changed(keys.encrypt("session", b"x" * 99))
    ] == [False] * 5


@pytest.mark.parametrize(
    "junk", ["", ".", "....", "a.b.c.d.e", "\u00e9" * 9, "ey.ey.ey", "x" * 100_000, "\x00.\x00"]
)
def test_junk_does_not_decrypt(junk: str) -> None:
    keys = ring(FIRST)
    header = keys.encrypt("session", b"").partition(".")[0]
    for text in (junk, header + junk, f"{header}.{junk}", f"{header}..{junk}.{junk}.{junk}"):
        assert not decrypts(keys, text)


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "dir", "enc": "A256GCM"},
        {"alg": "dir", "enc": "A256CBC-HS512", "zip": "DEF"},
        {"alg": "A256KW", "enc": "A256CBC-HS512"},
        {"alg": "dir", "enc": "A256CBC-HS512", "typ": "JWT"},
        {"enc": "A256CBC-HS512", "alg": "dir"},
    ],
)
def test_another_header_does_not_decrypt(header: dict[str, str]) -> None:
    keys = ring(FIRST)
    kid = header_of(keys.encrypt("session", b""))["kid"]
    size = 32 if header["alg"] == "A256KW" or header["enc"] == "A256GCM" else 64
    key = OctKey.import_key(derive_key(FIRST.encode(), "session")[:size])
    registry = JWERegistry(algorithms=[*header.values()], strict_check_header=False)
    forged = encrypt_compact({**header, "kid": kid}, b"admin", key, registry=registry)
    assert not decrypts(keys, forged)


@pytest.mark.parametrize(
    ("purpose", "derived"),
    [
        (
            "session",
            "f7be3998baf4eb0d6aa0e5cad4403fdea387e61d888861a2efa1e42213ff3dde"
            "14dd6c75e6ecfc2f11e3653737ec48bcf84af94dd702919903845df5ebf33296",
        ),
        (
            "second factor",
            "ecd0cdb407d64e1306770d260aa24166b9b5d61bd14b53d4e29ed8ed16d7539e"
            "46e00ed8063d51b9e7a5b9fc3fe424b117dc4a31c46540aa1fc09af34d9a054e",
        ),
    ],
)
def test_derived_keys_never_change(purpose: str, derived: str) -> None:
    assert derive_key(FIRST.encode(), purpose).hex() == derived


def test_previous_keys_are_listed_with_commas_and_never_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AUTH_SECRET_PREVIOUS", f"{FIRST} , {SECOND},")
    settings = read_settings(_env_file=None, data_dir=tmp_path, auth_secret=THIRD)
    assert [one.get_secret_value() for one in settings.auth_secret_previous] == [FIRST, SECOND]
    assert FIRST not in repr(settings)


def test_a_previous_key_must_be_strong_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTH_SECRET_PREVIOUS", f"{FIRST},changeme")
    with pytest.raises(ConfigError, match="AUTH_SECRET_PREVIOUS") as refused:
        read_settings(_env_file=None)
    assert FIRST not in str(refused.value)
