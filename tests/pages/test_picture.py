"""A photo becomes a small upright square in the browser, and tells nothing any more."""

import base64

import pytest
from playwright.async_api import Error, Page

from testing.pictures import BOTTOM, TOP, opened, photo, png, tells

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def _squared(page: Page, content: bytes, kind: str) -> tuple[str, bytes]:
    sent = [base64.b64encode(content).decode(), f"image/{kind}"]
    kind, made = await page.evaluate("(given) => lab.squared(...given)", sent)
    return kind, base64.b64decode(made)


def _is_like(pixel: object, colour: tuple[int, int, int]) -> bool:
    assert isinstance(pixel, tuple)
    return all(abs(one - other) < 40 for one, other in zip(pixel, colour, strict=True))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
async def test_a_photo_is_made_small_square_and_upright(page: Page, kind: str) -> None:
    taken = photo(kind, width=1200, height=900)
    assert opened(taken).size == (1200, 900)
    media_type, made = await _squared(page, taken, kind.lower())
    seen = opened(made).convert("RGB")
    assert (media_type, seen.size, tells(made)) == ("image/webp", (512, 512), [])
    if kind != "WEBP":  # no camera writes it, and Chromium does not turn it
        assert _is_like(seen.getpixel((256, 40)), TOP)
        assert _is_like(seen.getpixel((256, 470)), BOTTOM)


async def test_a_small_picture_is_not_made_larger(page: Page) -> None:
    _, made = await _squared(page, png(5), "png")
    assert opened(made).size == (5, 5)


async def test_a_browser_that_writes_no_webp_sends_a_jpeg(page: Page) -> None:
    await page.evaluate(
        """() => {
            const write = HTMLCanvasElement.prototype.toBlob;
            HTMLCanvasElement.prototype.toBlob = function (done, type, quality) {
                write.call(this, done, type === "image/webp" ? "image/png" : type, quality);
            };
        }"""
    )
    media_type, made = await _squared(page, photo(), "jpeg")
    assert (media_type, opened(made).format, tells(made)) == ("image/jpeg", "JPEG", [])


@pytest.mark.parametrize(
    ("content", "kind"),
    [(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "svg+xml"), (photo()[:40], "jpeg")],
    ids=["svg", "cut"],
)
async def test_what_the_browser_cannot_read_is_said(page: Page, content: bytes, kind: str) -> None:
    with pytest.raises(Error, match="This file can't be read"):
        await _squared(page, content, kind)
