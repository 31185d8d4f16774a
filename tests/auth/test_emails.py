import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat_app.auth.emails import EMAIL_MAX_LENGTH, normalise
from chat_app.auth.errors import InvalidEmail

LONGEST = "a" * 64 + "@" + ".".join(["b" * 62] * 3)
assert len(LONGEST) == EMAIL_MAX_LENGTH - 1


@pytest.mark.parametrize(
    ("raw", "one_form"),
    [
        ("ada@example.org", "ada@example.org"),
        ("  Ada@Example.ORG\n", "ada@example.org"),
        ("first.last+tag@sub.example.org", "first.last+tag@sub.example.org"),
        ("o'hara@example.org", "o'hara@example.org"),
        ("root@localhost", "root@localhost"),
        ("\uff41da@example.org", "ada@example.org"),
        ("ada@ex\uff41mple\uff0eorg", "ada@example.org"),
        ("\u212aate@example.org", "kate@example.org"),
        ("x@xn--bcher-kva.example", "x@xn--bcher-kva.example"),
        (LONGEST + "c", LONGEST + "c"),
    ],
)
def test_spellings_of_one_address_become_one(raw: str, one_form: str) -> None:
    assert normalise(raw) == one_form


@pytest.mark.parametrize(
    "raw",
    [
        "",
        " ",
        "ada",
        "@example.org",
        "ada@",
        "ada@@example.org",
        "ada@evil.example@example.org",
        "ada\uff20example.org",
        "ada\ufe6bexample.org",
        "ada@evil.example\uff20example.org",
        'ada"@example.org',
        '"ada@evil.example"@example.org',
        "ada@evil.example,example.org",
        "ada@example.org,bob@example.org",
        "ada@example.org bob@example.org",
        "ada@example.org;bob@example.org",
        "Ada <ada@example.org>",
        "ada @example.org",
        "ada@exa mple.org",
        "ada\n@example.org",
        "ada@example.org\nBcc: bob@example.org",
        "ada\x00@example.org",
        ".ada@example.org",
        "ada.@example.org",
        "a..da@example.org",
        "ada@.example.org",
        "ada@example..org",
        "ada@example.org.",
        "ada@-example.org",
        "ada@example-.org",
        "ada@[127.0.0.1]",
        "ada@exam_ple.org",
        "ad\u0430@example.org",
        "ada@ex\u0430mple.org",
        "ada\u202e@example.org",
        "ada\u200b@example.org",
        "ada\ud800@example.org",
        "ada(comment)@example.org",
        "a" * 65 + "@example.org",
        "a@" + "b" * 64 + ".org",
        LONGEST + "cc",
        "\u3300" * 60 + "@example.org",
    ],
)
def test_what_is_not_one_plain_address_is_refused(raw: str) -> None:
    with pytest.raises(InvalidEmail):
        normalise(raw)


@settings(deadline=None)
@given(st.text(max_size=400) | st.emails())
def test_whatever_is_typed_has_one_short_ascii_form_or_none(raw: str) -> None:
    try:
        form = normalise(raw)
    except InvalidEmail:
        return
    assert form.isascii()
    assert form.count("@") == 1
    assert len(form) <= EMAIL_MAX_LENGTH
    assert normalise(form) == form
