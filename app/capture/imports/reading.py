"""Files as people send them: which encoding, which delimiter, and one row after the other from any byte on."""

import codecs
import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO

from app.infra.errors import Invalid

CHUNK = 256 * 1024
DELIMITERS = (",", ";", "\t", "|")
SAMPLE = 64 * 1024
MAX_COLUMNS = 300
MAX_CELL = 64 * 1024
MAX_LINE = 1024 * 1024
"""A longer line is no row of a table, and is not even held."""
UNCLOSED = "A cell of it is longer than 64 kB, or a quotation mark in it is never closed"

# What is longer mostly comes of a quotation mark that is never closed.
csv.field_size_limit(MAX_CELL)
# Read in place of a line that is too long: whether a quotation mark was open before it or not, it is refused.
_TOO_LONG = b"x" * (MAX_CELL + 1) + b"\n"


# How workbooks begin: those of today are zip archives, those of old compound files.
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")


class NoTable(Invalid):
    """The file is no table that can be read."""

    def __init__(self, message: str) -> None:
        super().__init__({"file": message}, message)


@dataclass(frozen=True, slots=True)
class Raw:
    """A row as it stands in the file: its number (the header is 1), its cells, and the byte after it.

    `problem` tells why its cells can't be read.
    """

    record: int
    cells: list[str]
    end: int
    problem: str | None = None


def find_encoding(file: IO[bytes]) -> str:
    """Return the encoding of a file: what a byte order mark says, else UTF-8 if all of it is, else cp1252.

    Leaves the file at its beginning. Every byte is looked at: exports are plain ASCII for a thousand rows and then
    somebody is called Zoë.
    """
    file.seek(0)
    start = file.read(8)
    file.seek(0)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if start.startswith(_WORKBOOKS):
        raise NoTable("This is a workbook. Save its sheet as CSV and upload that.")
    if b"\x00" in start[:4]:
        raise NoTable("This is no text file. Save the table as CSV and try again.")
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while piece := file.read(CHUNK):
            decoder.decode(piece)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "cp1252"
    finally:
        file.seek(0)
    return "utf-8-sig" if start.startswith(codecs.BOM_UTF8) else "utf-8"


def as_utf8(file: IO[bytes], encoding: str) -> Iterator[bytes]:
    """Yield the file in pieces of CHUNK bytes of UTF-8, with one kind of line end; bytes that are nothing become �."""
    if encoding == "utf-16":
        encoding = _utf16_of(file)
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    held = b""
    carried = ""
    while True:
        raw = file.read(CHUNK)
        text = carried + decoder.decode(raw, final=not raw)
        # A carriage return at the end may be half of a line end.
        carried = text[-1:] if raw and text.endswith("\r") else ""
        held += text.removesuffix(carried).replace("\r\n", "\n").replace("\r", "\n").encode()
        while len(held) >= CHUNK or (held and not raw):
            yield held[:CHUNK]
            held = held[CHUNK:]
        if not raw:
            return


def _utf16_of(file: IO[bytes]) -> str:
    """Return which UTF-16 a file is in: without a byte order mark the decoder has to be told."""
    file.seek(0)
    start = file.read(2)
    file.seek(0)
    if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "utf-16"
    return "utf-16-be" if start[:1] == b"\x00" else "utf-16-le"


def find_delimiter(sample: str) -> str:
    """Return what stands between the cells: of the usual signs the one that divides the first row the most."""
    best = max(DELIMITERS, key=lambda sign: len(_first_row(sample, sign)))
    if len(_first_row(sample, best)) < 2:
        raise NoTable("No columns were found in this file. Save it as CSV, with a header in the first row.")
    return best


def _first_row(sample: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader(sample.splitlines(keepends=True), delimiter=delimiter), [])
    except csv.Error:
        return []


def read_header(pieces: Iterable[bytes], delimiter: str) -> Raw:
    """Return the first row, or raise NoTable."""
    header = next(rows(pieces, delimiter=delimiter, position=0, record=0), None)
    if header is None or header.problem or not any(cell.strip() for cell in header.cells):
        raise NoTable("The first row must name the columns.")
    if len(header.cells) > MAX_COLUMNS:
        raise NoTable(f"The file has more than {MAX_COLUMNS} columns.")
    return header


def rows(pieces: Iterable[bytes], *, delimiter: str, position: int, record: int) -> Iterator[Raw]:
    """Yield the rows of a file in UTF-8 whose bytes from `position` on are `pieces`; `record` was the last row read."""
    lines = _Lines(pieces, position)
    reader = csv.reader(lines, delimiter=delimiter)
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            record += 1
            yield Raw(record, [], lines.position, UNCLOSED)
            reader = csv.reader(lines, delimiter=delimiter)
            continue
        record += 1
        problem = "It holds a NUL character" if any("\x00" in cell for cell in cells) else None
        yield Raw(record, [cell.replace("\x00", "") for cell in cells], lines.position, problem)


class _Lines:
    """The lines of the pieces; `position` is the byte after the last one given out."""

    def __init__(self, pieces: Iterable[bytes], position: int) -> None:
        self.position = position
        self._lines = self._split(pieces)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line, length = next(self._lines)
        self.position += length
        return line.decode()

    @staticmethod
    def _split(pieces: Iterable[bytes]) -> Iterator[tuple[bytes, int]]:
        """Yield each line as it is to be read, and its length in the file; of one that is too long nothing is kept."""
        held, length = b"", 0
        for piece in pieces:
            *whole, begun = piece.split(b"\n")
            for line in whole:
                length += len(line) + 1
                yield (held + line + b"\n" if length <= MAX_LINE else _TOO_LONG), length
                held, length = b"", 0
            length += len(begun)
            held = held + begun if length <= MAX_LINE else b""
        if length:
            yield (held if length <= MAX_LINE else _TOO_LONG), length
