"""Pictures: a small one, and a photo as a phone takes it, which says more than it shows."""

import io
import struct
import zlib

from PIL import Image
from PIL.PngImagePlugin import PngInfo
from PIL.TiffImagePlugin import IFDRational

TOLD = "Lovelace"
"""The name of the phone in a photo's metadata."""
TOP, BOTTOM = (200, 30, 30), (30, 30, 200)
"""The colours of a photo that is seen upright."""
_LIES_ON_ITS_SIDE = 6
_ORIENTATION, _MAKE, _GPS = 0x0112, 0x010F, 0x8825
_XMP = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><by>{TOLD}</by></x:xmpmeta>'.encode()


def png(size: int = 4) -> bytes:
    """A small green picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    rows = (b"\0" + bytes((11, 106, 86)) * size) * size
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def photo(kind: str = "JPEG", width: int = 64, height: int = 48, noise: float = 0) -> bytes:
    """A photo that was taken with the phone upright, so its file lies on its side.

    Its metadata has the place, the phone's name and a comment, and behind the picture follows what
    phones write there: a film.

    Args:
        kind: JPEG, PNG or WEBP.
        width: Of the file, in pixels.
        height: Of the file, in pixels.
        noise: Grains, so that it cannot be made small by its format: from 0 to 1.
    """
    seen = Image.new("RGB", (width, height), BOTTOM)
    seen.paste(TOP, (0, 0, width // 2, height))
    if noise:
        grains = Image.effect_noise((width, height), 100).convert("RGB")
        seen = Image.blend(seen, grains, noise)
    told = Image.Exif()
    told[_ORIENTATION], told[_MAKE] = _LIES_ON_ITS_SIDE, TOLD
    degrees = (IFDRational(51), IFDRational(30), IFDRational(2))
    told[_GPS] = {1: "N", 2: degrees, 3: "W", 4: degrees}
    made = io.BytesIO()
    more: dict[str, object] = {"quality": 95, "exif": told, "xmp": _XMP}
    if kind == "JPEG":
        more |= {"comment": TOLD, "progressive": True}
    if kind == "PNG":
        notes = PngInfo()
        notes.add_text("Author", TOLD)
        notes.add_itxt("XML:com.adobe.xmp", _XMP.decode())
        more = {"exif": told, "pnginfo": notes}
    seen.save(made, kind, **more)
    return made.getvalue() + b"ftypmp4 " + TOLD.encode()


def opened(content: bytes) -> Image.Image:
    """A picture, decoded."""
    seen = Image.open(io.BytesIO(content))
    seen.load()
    return seen


def tells(content: bytes) -> list[str]:
    """What a file says besides its picture: nothing, or where it says it."""
    seen = opened(content)
    found = ["EXIF"] if len(seen.getexif()) else []
    found += [key for key in ("exif", "xmp", "comment", "Author") if key in seen.info]
    return found + (["bytes"] if TOLD.encode() in content or b"ftyp" in content else [])
