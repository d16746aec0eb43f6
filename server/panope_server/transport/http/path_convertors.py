"""Kinds of variables in the paths of plain HTTP, beside Starlette's own."""

from __future__ import annotations

from starlette.convertors import Convertor, register_url_convertor


class Repo(Convertor[str]):
    """A model's name in a path: of two segments, or of one."""

    regex = "[^/]+/[^/]+|[^/]+"

    def convert(self, value: str) -> str:
        """The text itself."""
        return value

    def to_string(self, value: str) -> str:
        """The text itself."""
        return value


class Lines(Repo):
    """A path of several lines, of which Starlette would mount another than it matched."""

    regex = r"[^\n]*\n[\s\S]*"


def register() -> None:
    """Makes `{name:repo}` and `{name:lines}` known; whoever writes them in a path calls it first."""
    register_url_convertor("repo", Repo())
    register_url_convertor("lines", Lines())
