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


class Anything(Repo):
    """Any path; Starlette's own kind ends at a line's end."""

    regex = r"[\s\S]*"


def register() -> None:
    """Makes `{name:repo}` and `{name:anything}` known; whoever writes them in a path calls it first."""
    register_url_convertor("repo", Repo())
    register_url_convertor("anything", Anything())
