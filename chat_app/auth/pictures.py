"""What a picture may be: one of three formats, told by its first bytes and not by its name."""

from chat_app.errors import InvalidInput, TooLarge

MAX_BYTES = 512_000
"""The largest picture."""

_PNG = b"\x89PNG\r\n\x1a\n"


class WrongPicture(InvalidInput):
    """It is in none of the formats that every browser shows and that hold no script."""

    code = "wrong_picture"

    def __init__(self) -> None:
        super().__init__("Choose a PNG, JPEG or WebP picture.")


def media_type(content: bytes) -> str:
    """The format of a picture.

    Raises:
        TooLarge: It has more than 512 kB.
        WrongPicture: It is none that we take.
    """
    if len(content) > MAX_BYTES:
        raise TooLarge(f"A picture can have at most {MAX_BYTES // 1000} kB.")
    if content.startswith(_PNG):
        return "image/png"
    if content.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    raise WrongPicture
