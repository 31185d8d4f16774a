"""Of a picture only the picture is kept."""

import pytest

from chat_app.auth.account.picture import PICTURE_MAX_BYTES, UnsupportedPicture, without_metadata
from chat_app.core.errors import TooLarge
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
