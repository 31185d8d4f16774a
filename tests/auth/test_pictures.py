"""Of a picture only the picture is kept."""

import threading

import pytest

from chat_app.auth.account import picture, profile
from chat_app.auth.account.picture import PICTURE_MAX_BYTES, UnsupportedPicture, without_metadata
from chat_app.core.errors import TooLarge
from testing.auth_services import AuthHarness
from testing.pictures import opened, photo, png, tells


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_where_and_by_whom_a_photo_was_taken_is_not_kept(kind: str) -> None:
    taken = photo(kind)
    assert {"EXIF", "bytes"} <= set(tells(taken))
    media_type, kept = without_metadata(taken)
    assert media_type == f"image/{kind.lower()}"
    assert tells(kept) == []
    assert opened(kept).convert("RGB").tobytes() == opened(taken).convert("RGB").tobytes()


def test_a_picture_that_tells_nothing_stays_as_it_is() -> None:
    assert without_metadata(png()) == ("image/png", png())
    once = without_metadata(photo())
    assert without_metadata(once[1]) == once


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_part_of_a_file_is_refused_wherever_it_was_cut(kind: str) -> None:
    _, whole = without_metadata(photo(kind))
    for end in range(len(whole)):
        with pytest.raises(UnsupportedPicture):
            without_metadata(whole[:end])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"GIF89a" + bytes(20),
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>",
        b"<!doctype html>" + png(),
        b"\x89PNG\r\n\x1a\n" + bytes(20),
        b"\xff\xd8\xff\xe0" + bytes(9),
        b"\xff\xd8\xff\xda\0\2" + b"\xff\0" * 9,
        b"RIFF\xff\xff\xff\xffWEBPVP8 " + bytes(8),
        b"RIFF\x12\0\0\0WEBPVP8X" + bytes(4),
    ],
)
def test_what_is_no_picture_is_refused(content: bytes) -> None:
    with pytest.raises(UnsupportedPicture):
        without_metadata(content)


def test_a_picture_over_the_limit_is_refused() -> None:
    with pytest.raises(TooLarge):
        without_metadata(png() + bytes(PICTURE_MAX_BYTES))


@pytest.mark.parametrize("stuffed", [b"\xff\0" * 255_000, b"\xff\xd0" * 255_000, b"\xff" * 510_000])
def test_stuffed_bytes_and_padding_are_not_looked_at_one_by_one(
    stuffed: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[int] = []
    slice_of = picture._slice

    def counted(content: bytes, start: int, length: int) -> bytes:
        looks.append(start)
        return slice_of(content, start, length)

    monkeypatch.setattr(picture, "_slice", counted)
    whole = b"\xff\xd8\xff\xda\0\2" + stuffed + b"\xff\xd9"
    kept = whole if stuffed[1] != 0xFF else b"\xff\xd8\xff\xda\0\2\xff\xd9"
    assert without_metadata(whole) == ("image/jpeg", kept)
    assert len(looks) < 10


async def test_a_picture_is_read_beside_the_event_loop(
    harness: AuthHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[int] = []

    def read(content: bytes) -> tuple[str, bytes]:
        threads.append(threading.get_ident())
        return without_metadata(content)

    monkeypatch.setattr(profile, "without_metadata", read)
    principal = await harness.principal_of(await harness.sign_in(await harness.person()))
    await harness.profiles.set_picture(principal, png())
    assert await harness.profiles.picture_digest(principal)
    (thread,) = threads
    assert thread != threading.get_ident()
