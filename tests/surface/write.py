"""Writes what is public into `snapshots`, where a test compares it with the code.

python tests/surface/write.py    or `make surface`

A public name that changes fails the test. Where that is meant, renew the snapshots and say in CHANGELOG.md how to move.
"""

from __future__ import annotations

from pathlib import Path

from surface_listings import SNAPSHOTS


def main() -> None:
    """Writes every snapshot that this machine can make."""
    for name, listing in SNAPSHOTS.items():
        text = listing()
        if text is None:
            print(f"{name} is left as it is: this machine lacks the tools")
        else:
            (Path(__file__).parent / "snapshots" / name).write_text(text)


if __name__ == "__main__":
    main()
