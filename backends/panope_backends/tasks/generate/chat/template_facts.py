"""What a chat template reads, found in its text: no template is rendered to learn it."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from jinja2 import meta, nodes

from panope_backends.tasks.generate.chat.environment import make_environment

#: Values that every template is given, which no caller sets.
GIVEN = frozenset(
    {"messages", "tools", "documents", "add_generation_prompt", "continue_final_message"}
    | {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"}
    | {"tokenize", "chat_template", "return_dict", "return_tensors", "padding", "truncation", "max_length"}
)


class TemplateFacts(msgspec.Struct, frozen=True):
    """What a model's chat templates know.

    Attributes:
        kwargs: values that they read and callers may set, sorted.
        has_tools: whether one of them reads tools.
        has_tools_in_message: whether one of them reads them from the first message, as a text.
        has_developer: whether one of them names the role `developer`.
        text: of all of them, by which formats of answers are told.
    """

    kwargs: tuple[str, ...]
    has_tools: bool
    has_developer: bool
    text: str
    has_tools_in_message: bool = False

    @property
    def has_tool_calls(self) -> bool:
        """Whether one of them reads the calls of earlier answers: by their name, or with the whole message."""
        return "tool_calls" in self.text or "tojson" in self.text


def template_facts(templates: Mapping[str, str]) -> TemplateFacts:
    """Reads the templates of a model. Jinja computes constant expressions meanwhile, however long they take.

    Raises:
        TemplateError, RecursionError: one of them is no template.
    """
    environment = make_environment()
    names: set[str] = set()
    literals: set[str] = set()
    for template in templates.values():
        tree = environment.parse(template)
        own = _assigned(tree) - _tested(tree)
        names |= meta.find_undeclared_variables(tree) - own
        literals |= {node.value for node in tree.find_all(nodes.Const) if isinstance(node.value, str)}
    return TemplateFacts(
        kwargs=tuple(sorted(names - GIVEN - set(environment.globals))),
        has_tools="tools" in names,
        has_developer="developer" in literals,
        text="\n".join(templates.values()),
        has_tools_in_message="tools" in literals and "tools" not in names,
    )


def _assigned(tree: nodes.Template) -> set[str]:
    """What the template sets itself, on some of its ways at least."""
    return {node.name for node in tree.find_all(nodes.Name) if node.ctx in ("store", "param")}


def _tested(tree: nodes.Template) -> set[str]:
    """What the template asks for whether it was given, and sets itself where it was not."""
    tests = (node for node in tree.find_all(nodes.Test) if node.name in ("defined", "undefined"))
    return {test.node.name for test in tests if isinstance(test.node, nodes.Name)}
