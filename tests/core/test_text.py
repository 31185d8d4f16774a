import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat_app.core.text import SurrogateRepair, is_client_id, repair_surrogates

SAFE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


def run(pieces: list[str]) -> str:
    repair = SurrogateRepair()
    return "".join(repair.feed(piece) for piece in pieces) + repair.end()


@given(SAFE)
def test_text_cut_into_utf16_units_is_whole_again(text: str) -> None:
    raw = text.encode("utf-16-le")
    units = [chr(raw[i] + 256 * raw[i + 1]) for i in range(0, len(raw), 2)]
    assert run(units) == text


@given(st.lists(st.text(st.characters() | st.sampled_from("\0\ud83d\ude00"))))
def test_whatever_comes_every_piece_can_be_stored(pieces: list[str]) -> None:
    repair = SurrogateRepair()
    for shown in [*(repair.feed(piece) for piece in pieces), repair.end()]:
        shown.encode()
        assert "\0" not in shown


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        (["a\ud83d", "\ude00b"], "a😀b"),
        (["a\ud83d", "b"], "a\ufffdb"),
        (["a\ude00b"], "a\ufffdb"),
        (["\ud83d"], "\ufffd"),
        (["\ud83d", "\ud83d", "\ude00"], "\ufffd😀"),
        (["\ud83d", "", "\ude00"], "😀"),
        (["a\0b"], "a\ufffdb"),
    ],
)
def test_a_half_is_joined_or_replaced(pieces: list[str], text: str) -> None:
    assert run(pieces) == text
    assert repair_surrogates("".join(pieces)) == text


@pytest.mark.parametrize("text", ["a", "0", "_-", "Aa9_-" * 12 + "1234"])
def test_an_id_of_a_client_has_up_to_64_plain_characters(text: str) -> None:
    assert is_client_id(text)


@pytest.mark.parametrize("text", ["", "a" * 65, "a b", "a\n", "\na", "é", "a.b", "a/b", "\u0661"])
def test_anything_else_is_no_id_of_a_client(text: str) -> None:
    assert not is_client_id(text)
