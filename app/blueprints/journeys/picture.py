"""The canvas as a picture: an SVG that stands by itself, with nothing of the page's style sheets."""

from html import escape
from textwrap import wrap

from app.blueprints.journeys.presenters import CARD_HEIGHT, CARD_WIDTH, HALF, NOTE_WIDTH, PAD, PITCH, Canvas, Card, Row
from app.journeys.layout import Place

INK, SOFT, LINE, GROUND, PAPER = "#18221c", "#5c6a61", "#b9c2bb", "#f6f6f3", "#ffffff"
TONES = {
    "TRIGGER": "#2b7a57",
    "SEND": "#2f6fb3",
    "WAIT": "#a06400",
    "CONDITION": "#7a4fb8",
    "SPLIT": "#7a4fb8",
    "UPDATE": "#0f7f86",
}
NOTES = {"yellow": "#fdf3c4", "green": "#d9f0d6", "blue": "#d6e8f7", "pink": "#f9dbe3"}
ACROSS, TITLE_ACROSS, NOTE_ACROSS, LINE_HEIGHT = 29, 24, 28, 16


def svg(canvas: Canvas, title: str) -> str:
    """Return the picture of a canvas."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{canvas.width}" height="{canvas.height}"'
        f' viewBox="0 0 {canvas.width} {canvas.height}" font-family="Inter, system-ui, sans-serif" font-size="12">',
        f"<title>{escape(title)}</title>",
        f'<rect width="100%" height="100%" fill="{GROUND}"/>',
    ]
    for path in canvas.paths:
        dashes = ' stroke-dasharray="4 5"' if path.open else ""
        parts.append(f'<path d="{path.d}" fill="none" stroke="{LINE}" stroke-width="1.75"{dashes}/>')
        parts += [f'<path d="{path.tip}" fill="{LINE}"/>'] if path.tip else []
    for row in canvas.rows:
        parts += _row(row)
    return "\n".join([*parts, "</svg>\n"])


def _row(row: Row) -> list[str]:
    if row.slot:
        return _exit(row.slot.exit_label, row.slot.place) if row.slot.exit_label else []
    found = _card(row.card) if row.card else []
    for sticker in row.notes:
        lines = [part for line in sticker.note.text.splitlines() for part in wrap(line, NOTE_ACROSS) or [""]]
        height = LINE_HEIGHT * max(3, len(lines)) + 16
        found.append(
            f'<rect x="{sticker.left}" y="{sticker.top}" width="{NOTE_WIDTH}" height="{height}" rx="4"'
            f' fill="{NOTES[sticker.note.colour]}"/>'
        )
        found += [
            _text(sticker.left + 10, sticker.top + 20 + LINE_HEIGHT * number, line) for number, line in enumerate(lines)
        ]
    return found


def _card(card: Card) -> list[str]:
    middle, top = (card.place.x * 2 - 1) * HALF + PAD + CARD_WIDTH / 2, card.place.y * PITCH + PAD
    width, height = (152, 60) if card.ends else (CARD_WIDTH, CARD_HEIGHT)
    left, tone = middle - width / 2, TONES.get(card.type, SOFT)
    found = [
        f'<rect x="{left:g}" y="{top:g}" width="{width}" height="{height}" rx="{30 if card.ends else 12}"'
        f' fill="{PAPER}" stroke="{LINE}"/>',
        f'<circle cx="{left + 26:g}" cy="{top + height / 2:g}" r="10" fill="{tone}" fill-opacity="0.85"/>',
    ]
    folded = f"({card.hidden} steps folded away)" if card.hidden else ""
    if card.told_once:
        titles = _lines(card.words, TITLE_ACROSS)
        lines = _lines(folded, ACROSS)
    else:
        titles = [_cut(card.label, TITLE_ACROSS)]
        lines = [] if card.ends else _lines(f"{card.words} {folded}".rstrip(), ACROSS)
    y = top + height / 2 + 13 - (18 * len(titles) + LINE_HEIGHT * len(lines)) / 2
    for words, title in [*((one, True) for one in titles), *((one, False) for one in lines)]:
        found.append(_text(left + 48, y, words, size=14 if title else 12, bold=title, tone=INK if title else SOFT))
        y += 18 if title else LINE_HEIGHT
    return found


def _lines(words: str, across: int) -> list[str]:
    """Return words broken into three lines at most."""
    lines = wrap(words, across)
    return [*lines[:2], _cut(" ".join(lines[2:]), across)] if len(lines) > 2 else lines


def _exit(label: str, place: Place) -> list[str]:
    middle, top = (place.x * 2 - 1) * HALF + PAD + CARD_WIDTH / 2, place.y * PITCH + PAD - 68
    width = 16 + 7 * len(label)
    return [
        f'<rect x="{middle - width / 2:g}" y="{top - 10:g}" width="{width}" height="20" rx="10" fill="{PAPER}"'
        f' stroke="{LINE}"/>',
        f'<text x="{middle:g}" y="{top + 4:g}" text-anchor="middle" fill="{SOFT}" font-size="11" font-weight="600">'
        f"{_clean(label)}</text>",
    ]


def _text(x: float, y: float, words: str, *, size: int = 12, bold: bool = False, tone: str = INK) -> str:
    weight = ' font-weight="600"' if bold else ""
    return f'<text x="{x:g}" y="{y:g}" fill="{tone}" font-size="{size}"{weight}>{_clean(words)}</text>'


def _cut(words: str, most: int) -> str:
    return words if len(words) <= most else f"{words[: most - 1].rstrip()}…"


def _clean(words: str) -> str:
    """Return a text as XML holds it: escaped, without the signs XML has none for."""
    return escape("".join(sign for sign in words if sign >= " " and sign not in "\ufffe\uffff"))
