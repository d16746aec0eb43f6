"""Paths of REST with values in place of their parameters: what the doubles of the edge have under such names."""

from __future__ import annotations

import re

VALUES = {
    "alias": "embed",
    "job": "2",
    "model": "acme/embedder",
    "repo": "acme/a",
    "task": "feature-extraction",
    "video": "video_3",
}
_PARAMETER = re.compile(r"\{(\w+)(?:=[^}]*)?\}")


def filled(template: str, **values: str) -> str:
    """A path by its template, of a route (`/v1/models/{model=**}`) or of the OpenAPI description (`{model}`).

    Args:
        template: the path with its parameters.
        values: in place of those that stand here for everybody.
    """
    known = VALUES | values

    def value_of(parameter: re.Match[str]) -> str:
        name = parameter.group(1)
        assert name in known, f"`{template}` has the new parameter `{name}`: give it a value in tests/rest_paths.py"
        return known[name]

    return _PARAMETER.sub(value_of, template)
