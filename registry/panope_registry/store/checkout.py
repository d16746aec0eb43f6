"""Checkouts: the folders that backends open. A checkout has a variant's files under their names, and nothing else."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Sequence
from pathlib import Path

from panope_registry.store.files import hash_file, link_or_copy, sync_folder
from panope_registry.store.manifest import ManifestFile
from panope_registry.store.store import Store


def check_out(store: Store, digest: str, files: Sequence[ManifestFile]) -> Path:
    """Lays out the checkout of a variant whose blobs have just been verified; made if it is not there or not right.

    It is built elsewhere and renamed, so that nobody sees half of one.
    """
    checkout_folder = store.checkouts / digest
    if _is_intact(store, checkout_folder, files):
        return checkout_folder
    with store.staging() as staging:
        built = staging / "checkout"
        _build(store, built, files)
        _put_in_place(store, built, checkout_folder, staging / "old", files)
    sync_folder(store.checkouts)
    return checkout_folder


def _build(store: Store, folder: Path, files: Sequence[ManifestFile]) -> None:
    folder.mkdir(mode=0o700)
    for file in files:
        target = folder / file.path
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        link_or_copy(store.blob_path(file.sha256), target)


def _put_in_place(store: Store, built: Path, checkout_folder: Path, old: Path, files: Sequence[ManifestFile]) -> None:
    """Gives the folder its name; a right one that another put there meanwhile stays, because it may be in use."""
    if _renamed(built, checkout_folder) or _is_intact(store, checkout_folder, files):
        return
    with contextlib.suppress(FileNotFoundError):  # another moves it out at this moment
        checkout_folder.rename(old)
    _renamed(built, checkout_folder)


def _renamed(built: Path, checkout_folder: Path) -> bool:
    """Renames the folder if the name is free; returns whether it was."""
    try:
        built.rename(checkout_folder)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
            raise
        return False
    return True


def _is_intact(store: Store, checkout_folder: Path, files: Sequence[ManifestFile]) -> bool:
    """Returns whether the checkout has the files, unchanged, and no other."""
    if not checkout_folder.is_dir():
        return False
    present = {
        str(Path(folder, name).relative_to(checkout_folder))
        for folder, folders, names in os.walk(checkout_folder)
        for name in [*names, *(name for name in folders if Path(folder, name).is_symlink())]
    }
    return present == {file.path for file in files} and all(
        _is_blob(store, checkout_folder / file.path, file) for file in files
    )


def _is_blob(store: Store, path: Path, file: ManifestFile) -> bool:
    """Returns whether a file is the blob: a second name needs no look at its bytes, a copy does."""
    status = path.lstat()
    if os.path.samestat(status, store.blob_path(file.sha256).stat()):
        return True
    return not path.is_symlink() and hash_file(path) == file.sha256
