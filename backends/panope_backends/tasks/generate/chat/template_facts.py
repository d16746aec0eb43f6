"""What a chat template reads, found in its text: no template is rendered to learn it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from jinja2 import TemplateError, meta, nodes

from panope_backends.tasks.generate.chat.environment import make_environment

#: Values that every template is given, which no caller sets.
GIVEN = frozenset(
    {"messages", "tools", "documents", "add_generation_prompt", "continue_final_message"}
    | {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"}
    | {"tokenize", "chat_template", "return_dict", "return_tensors", "padding", "truncation", "max_length"}
)


@dataclass(frozen=True)
class TemplateFacts:
    """What a model's chat templates know.

    Attributes:
        kwargs: values that they read and callers may set, sorted.
        has_tools: whether one of them reads tools.
        has_developer: whether one of them names the role `developer`.
        text: of all of them, by which formats of answers are told.
    """

    kwargs: tuple[str, ...]
    has_tools: bool
    has_developer: bool
    text: str


def template_facts(templates: Mapping[str, str]) -> TemplateFacts | None:
    """Reads the templates of a model; None when one of them is no template."""
    environment = make_environment()
    names: set[str] = set()
    literals: set[str] = set()
    try:
        for template in templates.values():
            tree = environment.parse(template)
            names |= meta.find_undeclared_variables(tree)
            literals |= {node.value for node in tree.find_all(nodes.Const) if isinstance(node.value, str)}
    except (TemplateError, RecursionError):
        return None
    return TemplateFacts(
        kwargs=tuple(sorted(names - GIVEN - set(environment.globals))),
        has_tools="tools" in names,
        has_developer="developer" in literals,
        text="\n".join(templates.values()),
    )
