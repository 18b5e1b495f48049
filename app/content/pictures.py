"""Pictures for letters: whatever somebody has is made fit for mail, small, upright, and without its secrets."""

import struct
import warnings
from dataclasses import dataclass
from io import BytesIO
from typing import IO

from PIL import ExifTags, Image, ImageSequence
from PIL.Image import Transpose

from app.infra.errors import Invalid
from app.infra.figures import figure

MOST_BYTES = 10 * 1024 * 1024
WIDTH = 1200
"""How wide a picture is kept, in pixels; twice as much as most letters are. The double is twice as wide."""
MOST_HEIGHT = 4 * WIDTH
MOST_PIXELS = 25_000_000
# A JPEG is read at a part of its size, so it may be larger; not by more, for one that is progressive is kept whole.
MOST_JPEG_PIXELS = 50_000_000
LONGEST_SIDE = 20_000
MOST_FRAMES = 200
MOST_FRAME_PIXELS = 60_000_000
QUALITY = 84

# Pillow refuses twice as much by itself, also where it makes room within a file. What it only warns of, we look at.
Image.MAX_IMAGE_PIXELS = MOST_PIXELS
warnings.simplefilter("ignore", Image.DecompressionBombWarning)

FORMATS = ("PNG", "JPEG", "GIF", "WEBP")
# What Pillow raises for a file that is damaged somewhere.
_DAMAGED = (OSError, ValueError, SyntaxError, EOFError, MemoryError, TypeError, LookupError, struct.error)
_UPRIGHT = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}
"""What turns a picture upright, by how the camera says it was held."""
_REFUSED = "Choose a picture: PNG, JPEG, GIF or WebP. This file is none, or is damaged."
_MOVES_TOO_MUCH = "This picture moves for too long or is too large. Use fewer frames, or a still one."


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
            if found.format == "GIF" and getattr(found, "is_animated", False):
                return _moving(found)
            return _still(found)
    except Image.DecompressionBombError:
        raise _too_large() from None
    except _DAMAGED:
        raise Invalid({"file": _REFUSED}) from None


def _check_size(found: Image.Image) -> None:
    most = MOST_JPEG_PIXELS if found.format == "JPEG" else MOST_PIXELS
    if found.width * found.height > most or max(found.size) > LONGEST_SIDE:
        raise _too_large()


def _too_large() -> Invalid:
    most, of_jpeg = MOST_PIXELS // 1_000_000, MOST_JPEG_PIXELS // 1_000_000
    return Invalid(
        {
            "file": f"This picture is too large: more than {most} million pixels ({of_jpeg} million in a JPEG), or a"
            f" side longer than {figure(LONGEST_SIDE)}. Make it smaller first."
        }
    )


def _still(found: Image.Image) -> Picture:
    if found.format == "JPEG":
        # It may lie on its side still.
        flat, turned = _within(found.size, 2), _within(found.size[::-1], 2)
        found.draft("RGB", (max(flat[0], turned[1]), max(flat[1], turned[0])))
    upright = _turned(found)
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


def _turned(found: Image.Image) -> Image.Image:
    """Return a picture upright. Pillow's own way writes the camera's other notes anew, and breaks where one is odd."""
    turn = _UPRIGHT.get(found.getexif().get(ExifTags.Base.Orientation, 1))
    return found if turn is None else found.transpose(turn)


def _moving(found: Image.Image) -> Picture:
    size = _within(found.size, 1)
    pixels = 0
    # Each is shown as long as it was, and the whole as often.
    pauses: list[int] = []
    drawn: list[Image.Image] = []
    for frame in ImageSequence.Iterator(found):
        # Any frame may reach beyond those before it. It isn't unpacked yet, nor are those behind it looked for.
        _check_size(found)
        pixels += found.width * found.height
        if len(drawn) == MOST_FRAMES or pixels > MOST_FRAME_PIXELS:
            raise Invalid({"file": _MOVES_TOO_MUCH})
        pauses.append(int(frame.info.get("duration", 100)))
        drawn.append(frame.convert("RGBA").resize(size))
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
