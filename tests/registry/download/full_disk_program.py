"""Downloads `v/m`'s file to a small disk that fills up meanwhile: `full_disk_program.py ENDPOINT DISK`.

Prints the error, what is left, and the sha256 that comes once there is room again.
"""

from __future__ import annotations

import sys
from pathlib import Path

from panope_backends.errors import CapacityError
from panope_registry.download import Downloader, ExpectedBlob
from panope_registry.sources.hub import HubSource
from panope_registry.store.store import Store


def main() -> None:
    endpoint, disk = sys.argv[1], Path(sys.argv[2])
    source = HubSource(endpoint)
    revision = source.resolve("v/m")
    (file,) = revision.files
    wanted = ExpectedBlob(file.sha256, file.git_sha1, file.size_bytes)
    store = Store(disk / "store")
    downloader = Downloader(store, free_space_floor_bytes=0)
    ballast = disk / "ballast"

    def fill(_done: int, _total: int) -> None:
        if not ballast.exists():
            ballast.write_bytes(bytes(4 << 20))

    try:
        downloader.fetch(wanted, lambda start: source.open(revision, file.path, start), fill)
    except CapacityError as error:
        print(error.reason, error.message)  # noqa: T201 - the answer
    blob = store.blob_path(wanted.key).exists()
    part = (store.downloads / f"{wanted.key}.part").exists()
    print("a blob" if blob else "no blob", "a partial" if part else "no partial", sep=", ")  # noqa: T201 - the answer
    ballast.unlink()
    print(downloader.fetch(wanted, lambda start: source.open(revision, file.path, start)).sha256)  # noqa: T201 - the answer


if __name__ == "__main__":
    main()
