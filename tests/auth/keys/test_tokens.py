"""The format of API keys."""

import re
import zlib

import pytest

from chat_app.auth.keys.tokens import PATTERN, PREFIX, is_well_formed, new_key


def test_a_new_key_has_the_form_that_scanners_look_for() -> None:
    for _ in range(200):
        key = new_key()
        assert re.fullmatch(PATTERN, key)
        assert re.search(PATTERN, f'token = "{key}"')
        assert is_well_formed(key)


def test_no_two_keys_are_alike() -> None:
    assert len({new_key() for _ in range(1_000)}) == 1_000


def test_the_random_part_has_256_bits_in_base_62() -> None:
    random = len(new_key()) - len(PREFIX) - 6
    assert 62 ** (random - 1) < 2**256 <= 62**random


def test_the_checksum_is_that_of_the_documents() -> None:
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    key = new_key()
    said = 0
    for digit in key[-6:]:
        said = said * 62 + digits.index(digit)
    assert said == zlib.crc32(key[len(PREFIX) : -6].encode())


def test_a_changed_character_is_noticed() -> None:
    key = new_key()
    for index in range(len(PREFIX), len(key)):
        other = "a" if key[index] != "a" else "b"
        assert not is_well_formed(key[:index] + other + key[index + 1 :])


@pytest.mark.parametrize(
    "text",
    ["", PREFIX, PREFIX + "0" * 48, PREFIX + "0" * 50, "\ud800", "é" * 57, "x" * 100_000],
)
def test_what_is_no_key_is_refused(text: str) -> None:
    assert not is_well_formed(text)


@pytest.mark.parametrize("around", [" {}", "{} ", "{}\n", "{}\x00", "Bearer {}"])
def test_nothing_may_stand_around_a_key(around: str) -> None:
    assert not is_well_formed(around.format(new_key()))
