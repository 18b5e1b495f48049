"""Pictures for letters: whatever somebody has is made fit for mail, small, upright, and without its secrets."""

from dataclasses import dataclass
from io import BytesIO
from typing import IO

from PIL import Image, ImageOps, ImageSequence

from app.infra.errors import Invalid

MOST_BYTES = 10 * 1024 * 1024
WIDTH = 1200
"""How wide a picture is kept, in pixels; twice as much as most letters are. The double is twice as wide."""
MOST_HEIGHT = 4 * WIDTH
MOST_PIXELS = 25_000_000
# A JPEG is read at a part of its size, so it may be larger.
MOST_JPEG_PIXELS = 110_000_000
MOST_FRAMES = 200
MOST_FRAME_PIXELS = 60_000_000
QUALITY = 84

# The size is looked at before anything is unpacked.
Image.MAX_IMAGE_PIXELS = None

FORMATS = ("PNG", "JPEG", "GIF", "WEBP")
_REFUSED = "Choose a picture: PNG, JPEG, GIF or WebP. This file is none, or is damaged."


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture ready to be sent for: `data` is `width` × `height`; `double` twice that, where the original was so."""

    content_type: str
    width: int
    height: int
    data: bytes
    double: bytes | None


def fit(file: IO[bytes]) -> Picture:
    """Return the picture in a file made fit for letters, or raise Invalid.

    It is turned upright, made at most WIDTH wide, and written anew: nothing but its pixels comes along. A GIF that
    moves goes on moving; WebP, which many mail programs can't show, becomes PNG or JPEG.
    """
    source = file.read(MOST_BYTES + 1)
    if len(source) > MOST_BYTES:
        raise Invalid({"file": f"This picture has more than {MOST_BYTES // 1024 // 1024} MB. Make it smaller first."})
    try:
        with Image.open(BytesIO(source), formats=FORMATS) as found:
            _check_size(found)
            if found.format == "GIF" and getattr(found, "n_frames", 1) > 1:
                return _moving(found)
            return _still(found)
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError, MemoryError):
        raise Invalid({"file": _REFUSED}) from None


def _check_size(found: Image.Image) -> None:
    most = MOST_JPEG_PIXELS if found.format == "JPEG" else MOST_PIXELS
    if found.width * found.height > most:
        raise Invalid(
            {"file": f"This picture has more than {most // 1_000_000} million pixels. Make it smaller first."}
        )


def _still(found: Image.Image) -> Picture:
    if found.format == "JPEG":
        found.draft("RGB", (2 * WIDTH, 2 * MOST_HEIGHT))
    upright = ImageOps.exif_transpose(found)
    clear = "A" in upright.getbands() or "transparency" in upright.info
    drawn = upright.convert("RGBA" if clear else "RGB")
    kind = "PNG" if clear or found.format in ("PNG", "GIF") else "JPEG"
    size = _within(drawn.size, 1)
    wide = _within(drawn.size, 2)
    return Picture(
        f"image/{kind.lower()}",
        *size,
        _written(drawn, size, kind),
        _written(drawn, wide, kind) if wide[0] > size[0] else None,
    )


def _moving(found: Image.Image) -> Picture:
    frames = getattr(found, "n_frames", 1)
    if frames > MOST_FRAMES or frames * found.width * found.height > MOST_FRAME_PIXELS:
        raise Invalid({"file": "This picture moves for too long or is too large. Use fewer frames, or a still one."})
    size = _within(found.size, 1)
    # Each is shown as long as it was, and the whole as often.
    pauses = [int(frame.info.get("duration", 100)) for frame in ImageSequence.Iterator(found)]
    drawn = [frame.convert("RGBA").resize(size) for frame in ImageSequence.Iterator(found)]
    out = BytesIO()
    drawn[0].save(
        out, "GIF", save_all=True, append_images=drawn[1:], duration=pauses, loop=found.info.get("loop", 0), disposal=2
    )
    return Picture("image/gif", *size, out.getvalue(), None)


def _within(size: tuple[int, int], times: int) -> tuple[int, int]:
    """Return how large a picture is made: as it is, or as wide and high as is allowed, so many times over."""
    share = min(1.0, times * WIDTH / size[0], times * MOST_HEIGHT / size[1])
    return max(1, round(size[0] * share)), max(1, round(size[1] * share))


def _written(drawn: Image.Image, size: tuple[int, int], kind: str) -> bytes:
    shown = drawn if size == drawn.size else drawn.resize(size, Image.Resampling.LANCZOS)
    # What the file said beside its pixels (where, when, by whom, with which camera) stays behind.
    bare = Image.new(shown.mode, shown.size)
    bare.paste(shown)
    out = BytesIO()
    if kind == "JPEG":
        bare.save(out, kind, quality=QUALITY, optimize=True, progressive=True)
    else:
        bare.save(out, kind, optimize=True)
    return out.getvalue()
