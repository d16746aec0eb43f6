"""Files that commands write: looked at before a model runs, whose answer would be lost."""

from __future__ import annotations

import os
from pathlib import Path

from panope_server.cli.output.console import fail


def check_file(option: str, file: Path) -> None:
    """Ends the command where a file of this name cannot be written.

    Args:
        option: that names it, such as `--draw`.
        file: to write; one that exists is written over.
    """
    if file.is_dir():
        fail(f"`{option}`: `{file}` is a folder; name a file")
    folder = file.parent
    if not folder.is_dir():
        what = "is no folder" if folder.exists() else "does not exist; make it first"
        fail(f"`{option}`: the folder `{folder}` {what}")
    if not os.access(file if file.exists() else folder, os.W_OK):
        fail(f"`{option}`: `{file}` cannot be written: permission denied")


def check_folder(option: str, folder: Path) -> None:
    """Ends the command where a folder of this name can neither be made nor written to.

    Args:
        option: that names it, such as `--out`.
        folder: for files; it and those around it need not exist.
    """
    here = folder
    while not (here.exists() or here == here.parent):
        here = here.parent
    if not here.is_dir():
        fail(f"`{option}`: `{here}` is a file; name a folder")
    if not os.access(here, os.W_OK):
        fail(f"`{option}`: `{folder}` cannot be written: permission denied")
