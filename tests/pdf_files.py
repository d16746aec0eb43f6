"""PDF files, written here: pages of images, of text, of impossible sizes; one that asks for a password; bombs."""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Iterable, Sequence

from PIL import Image


def image_pdf(*images: Image.Image) -> bytes:
    """A page of each image, whose pixels are points: at 72 dpi it is drawn as it was."""
    file = io.BytesIO()
    images[0].save(file, "PDF", resolution=72, save_all=True, append_images=images[1:], quality=100, subsampling=0)
    return file.getvalue()


def text_pdf(
    *pages: Sequence[str], size: tuple[float, float] = (300, 200), rotate: int = 0, password: str = ""
) -> bytes:
    """A page for each list of lines, in Helvetica of 12 points, from 20 points off the upper left corner on."""
    objects = ["<</Type/Catalog/Pages 2 0 R>>", "", "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"]
    kids = []
    for lines in pages:
        at = len(objects)
        kids.append(f"{at + 1} 0 R")
        objects.append(
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 {size[0]} {size[1]}]/Rotate {rotate}/Contents {at + 2} 0 R"
            "/Resources<</Font<</F 3 0 R>>>>>>"
        )
        shown = " T* ".join(f"({line}) Tj" for line in lines)
        stream = f"BT /F 12 Tf 24 TL 20 {size[1] - 32} Td {shown} ET"
        objects.append(f"<</Length {len(stream)}>>stream\n{stream}\nendstream")
    objects[1] = f"<</Type/Pages/Count {len(kids)}/Kids[{' '.join(kids)}]>>"
    return _file(objects, _encryption(password) if password else "")


def form_of_itself() -> bytes:
    """A page whose form draws itself, twice."""
    form = f"/Resources<</XObject<</X {_FIRST} 0 R>>>>"
    return _drawn_page(_stream(f"/Type/XObject/Subtype/Form/BBox[0 0 200 200]{form}", b"/X Do /X Do"))


def nested_forms(depth: int = 9) -> bytes:
    """A page whose form draws the next ten times, and so on: 10 ** depth rectangles."""
    head = "/Type/XObject/Subtype/Form/BBox[0 0 200 200]"
    forms = [
        _stream(f"{head}/Resources<</XObject<</X {_FIRST + 1 + at} 0 R>>>>", b"/X Do " * 10) for at in range(depth)
    ]
    return _drawn_page(*forms, _stream(head, b"0 0 9 9 re f"))


def long_path(size_bytes: int = 128 << 20) -> bytes:
    """A page of so many bytes of lines, which are few in its file."""
    line = b"1 1 m 190 3 l 5 199 l S\n" * 1000
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(line) for _ in range(size_bytes // len(line))) + packer.flush()
    return _drawn_page(_stream("/Type/XObject/Subtype/Form/BBox[0 0 200 200]/Filter/FlateDecode", packed))


#: The object that a page draws.
_FIRST = 5


def _drawn_page(*objects: str) -> bytes:
    """A page that draws the first of these streams."""
    page = f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]/Contents 4 0 R/Resources<</XObject<</X {_FIRST} 0 R>>>>>>"
    pages = ["<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Count 1/Kids[3 0 R]>>", page]
    return _file([*pages, _stream("", b"/X Do"), *objects], "")


def _stream(described: str, content: bytes) -> str:
    return f"<<{described}/Length {len(content)}>>stream\n{content.decode('latin-1')}\nendstream"


def _file(objects: Iterable[str], encryption: str) -> bytes:
    made, places = b"%PDF-1.4\n", []
    listed = [*objects, *([encryption] if encryption else [])]
    for number, content in enumerate(listed, 1):
        places.append(len(made))
        made += f"{number} 0 obj\n{content}\nendobj\n".encode("latin-1")
    table = len(made)
    entries = "".join(f"{place:010} 00000 n \n" for place in places)
    encrypt = f"/Encrypt {len(listed)} 0 R" if encryption else ""
    made += f"xref\n0 {len(listed) + 1}\n0000000000 65535 f \n{entries}".encode()
    made += f"trailer<</Size {len(listed) + 1}/Root 1 0 R/ID[<00><00>]{encrypt}>>\nstartxref\n{table}\n%%EOF".encode()
    return made


def _encryption(password: str) -> str:
    """RC4 of 40 bits, the oldest of PDF's standard security handlers (ISO 32000-1, 7.6.3)."""
    pad = bytes.fromhex("28BF4E5E4E758A4164004E56FFFA01082E2E00B6D0683E802F0CA9FE6453697A")
    padded = (password.encode() + pad)[:32]
    owner = _rc4(hashlib.md5(padded).digest()[:5], padded)
    key = hashlib.md5(padded + owner + (0xFFFFFFFC).to_bytes(4, "little") + b"\0").digest()[:5]
    return f"<</Filter/Standard/V 1/R 2/P -4/O<{owner.hex()}>/U<{_rc4(key, pad).hex()}>>>"


def _rc4(key: bytes, data: bytes) -> bytes:
    state, at = list(range(256)), 0
    for index in range(256):
        at = (at + state[index] + key[index % len(key)]) % 256
        state[index], state[at] = state[at], state[index]
    made, one, other = bytearray(), 0, 0
    for byte in data:
        one = (one + 1) % 256
        other = (other + state[one]) % 256
        state[one], state[other] = state[other], state[one]
        made.append(byte ^ state[(state[one] + state[other]) % 256])
    return bytes(made)
