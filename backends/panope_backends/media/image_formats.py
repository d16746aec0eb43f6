"""Which format an image has: told by its first bytes, never by what somebody calls it."""

from __future__ import annotations

from panope_backends.errors import InvalidInputError

#: The formats that are decoded, by Pillow's names, with what their files begin with.
_DECODED = (
    ("PNG", b"\x89PNG\r\n\x1a\n"),
    ("JPEG", b"\xff\xd8\xff"),
    ("GIF", b"GIF87a"),
    ("GIF", b"GIF89a"),
    ("BMP", b"BM"),
    ("TIFF", b"II*\0"),
    ("TIFF", b"MM\0*"),
    ("TIFF", b"II+\0"),
    ("TIFF", b"MM\0+"),
)

#: What callers send in an image's place; named, so that they see what went wrong.
_REFUSED = (
    ("a PDF file", b"%PDF-"),
    ("PostScript", b"%!PS"),
    ("a ZIP archive", b"PK\x03\x04"),
    ("a gzip archive", b"\x1f\x8b"),
    ("JPEG XL", b"\xff\x0a"),
    ("JPEG XL", b"\0\0\0\x0cJXL "),
    ("JPEG 2000", b"\0\0\0\x0cjP  "),
    ("an icon", b"\0\0\1\0"),
    ("a Photoshop file", b"8BPS"),
    ("a Matroska or WebM video", b"\x1aE\xdf\xa3"),
    ("audio or video of the RIFF family", b"RIFF"),
)

#: What the brand of an ISO media file, such as HEIC, stands behind.
_BOX = slice(4, 8)
_BRAND = slice(8, 12)
_IMAGE_BRANDS = {b"avif": "AVIF", b"avis": "AVIF", b"heic": "HEIC", b"heix": "HEIC", b"mif1": "HEIF", b"msf1": "HEIF"}

#: Markup is looked for so far into a file, behind spaces and comments.
_MARKUP_BYTES = 1024

NAMES = "PNG, JPEG, WebP, GIF, BMP and TIFF"


def format_of(data: bytes, field: str) -> str:
    """Pillow's name for the format of a file.

    Args:
        data: the whole file, or its beginning.
        field: of the request that holds it.

    Raises:
        InvalidInputError: it is of another format; the message names what is known of it.
    """
    if data.startswith(b"RIFF") and data[_BRAND] == b"WEBP":
        return "WEBP"
    for name, start in _DECODED:
        if data.startswith(start):
            return name
    raise InvalidInputError.at(
        field, "{field} is {what}; the images that are read are {names}", what=_named(data), names=NAMES
    )


def _named(data: bytes) -> str:
    if data[_BOX] == b"ftyp":
        return _IMAGE_BRANDS.get(data[_BRAND], "a video")
    for name, start in _REFUSED:
        if data.startswith(start):
            return name
    start = data[:_MARKUP_BYTES].lower()
    if b"<svg" in start:
        return "an SVG drawing"
    if start.lstrip().startswith((b"<", b"{")):
        return "a text, such as a page that tells of an error"
    return "of no known format"
