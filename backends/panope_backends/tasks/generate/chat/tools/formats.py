"""How models write tool calls, told by their chat templates."""

from __future__ import annotations

from dataclasses import dataclass

from panope_backends.tasks.generate.chat.tools.json_calls import CallScanner
from panope_backends.tasks.generate.chat.tools.named_calls import NamedCallReader, NamedMarks
from panope_backends.tasks.generate.chat.tools.python_calls import PythonCallReader
from panope_backends.tasks.generate.chat.tools.readers import CallReader, Parameters
from panope_backends.tasks.generate.chat.tools.tagged_calls import TaggedCallReader, Tags


@dataclass(frozen=True)
class ToolFormat:
    """A way to write calls: as JSON objects, unless `named`, `tags` or `is_python` says otherwise.

    Attributes:
        name: for people.
        begin: stands before a call, or a list of them; empty where the beginning of an answer tells that it is a call.
        other_begins: what some models write in its place.
        end: stands behind each call, or behind the last of a list; empty for nothing.
        between: characters before calls and between them that mean nothing.
        opens: with what each call in a list begins; empty where `begin` stands before each.
        whole: around all calls of an answer, with the blanks that models write.
        each: around each of them.
        joined: between two.
        arguments_key: what the arguments in a JSON object are called.
        has_short_ids: whether the model's template takes ids of nine letters and digits alone.
        named: marks of calls that are a name and a JSON object.
        tags: of calls whose arguments stand in tags.
        is_python: whether calls are written as Python.
    """

    name: str
    begin: str
    other_begins: tuple[str, ...] = ()
    end: str = ""
    between: str = " \n\t\r"
    opens: str = "{"
    whole: tuple[str, str] = ("", "")
    each: tuple[str, str] = ("", "")
    joined: str = ""
    arguments_key: str = "arguments"
    has_short_ids: bool = False
    named: NamedMarks | None = None
    tags: Tags | None = None
    is_python: bool = False

    @property
    def begins(self) -> list[str]:
        """All that may stand before calls; empty where nothing does."""
        return [mark for mark in (self.begin, *self.other_begins) if mark]

    @property
    def bare(self) -> str:
        """The character with which an answer that is a call begins, where nothing stands before calls."""
        return "[" if self.is_python else "{"

    @property
    def text(self) -> str:
        """All that is written around names and arguments, in which special tokens are looked for."""
        texts = [self.begin, *self.other_begins, self.end, self.opens, *self.whole, *self.each]
        if self.named is not None:
            texts += [self.named.before, self.named.between, self.named.after]
        if self.tags is not None:
            texts += [*self.tags.head, *self.tags.key, *self.tags.value, self.tags.tail]
        return "\n".join(texts)

    def begins_call(self, text: str, *, is_first: bool) -> bool | None:
        """Whether a call begins with a text, which is not empty; None when more of it tells.

        Args:
            text: behind the blanks.
            is_first: whether `begin` stood before it, and no call yet.
        """
        if self.is_python:
            return text[0].isidentifier()
        if not self.opens:
            return is_first
        if text.startswith(self.opens):
            return True
        return None if self.opens.startswith(text) else False

    def reader(self, parameters: Parameters) -> CallReader:
        """What reads one call.

        Args:
            parameters: of the tools that may be called.
        """
        if self.named is not None:
            return NamedCallReader(self.named)
        if self.tags is not None:
            return TaggedCallReader(self.tags, parameters)
        return PythonCallReader() if self.is_python else CallScanner()


#: Hermes, Qwen 2.5 and 3, Granite 4.
HERMES = ToolFormat("hermes", "<tool_call>", end="</tool_call>", each=("<tool_call>\n", "\n</tool_call>"), joined="\n")
MISTRAL = ToolFormat(
    "mistral",
    "[TOOL_CALLS]",
    between="[], \n\t\r",
    whole=("[TOOL_CALLS][", "]"),
    joined=", ",
    has_short_ids=True,
)
#: Mistral since the tokenizer v11: Devstral, Magistral, Mistral Small 3.2 and later ones.
MISTRAL_NAMED = ToolFormat(
    "mistral-named",
    "[TOOL_CALLS]",
    opens="",
    each=("[TOOL_CALLS]", ""),
    has_short_ids=True,
    named=NamedMarks("", "[ARGS]", ""),
)
LLAMA = ToolFormat("llama", "", between=";, \n\t\r", joined="; ", arguments_key="parameters")
JSON = ToolFormat("json", "", between=";, \n\t\r", joined="; ")
#: Llama 3.2 and 4 where the template asks for it, and others.
PYTHON = ToolFormat("python", "", between="[], \n\t\r", whole=("[", "]"), joined=", ", is_python=True)
LFM = ToolFormat(
    "lfm",
    "<|tool_call_start|>",
    end="<|tool_call_end|>",
    between="[], \n\t\r",
    whole=("<|tool_call_start|>[", "]<|tool_call_end|>"),
    joined=", ",
    is_python=True,
)
OLMO = ToolFormat(
    "olmo",
    "<function_calls>",
    end="</function_calls>",
    whole=("<function_calls>\n", "\n</function_calls>"),
    joined="\n",
    is_python=True,
)
#: Granite 3.
GRANITE = ToolFormat("granite", "<|tool_call|>", between="[], \n\t\r", whole=("<|tool_call|>[", "]"), joined=", ")
#: Phi-4-mini, of which some write `functools` for the mark.
PHI = ToolFormat(
    "phi",
    "<|tool_call|>",
    other_begins=("functools",),
    end="<|/tool_call|>",
    between="[], \n\t\r",
    whole=("<|tool_call|>[", "]<|/tool_call|>"),
    joined=", ",
)
#: DeepSeek V3 and R1.
DEEPSEEK = ToolFormat(
    "deepseek",
    "<｜tool▁calls▁begin｜>",
    end="<｜tool▁calls▁end｜>",
    opens="<｜tool▁call▁begin｜>",
    whole=("<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"),
    joined="\n",
    named=NamedMarks("<｜tool▁call▁begin｜>function<｜tool▁sep｜>", "\n```json\n", "\n```<｜tool▁call▁end｜>"),
)
#: DeepSeek V3.1.
DEEPSEEK_BARE = ToolFormat(
    "deepseek-bare",
    "<｜tool▁calls▁begin｜>",
    end="<｜tool▁calls▁end｜>",
    opens="<｜tool▁call▁begin｜>",
    whole=("<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"),
    named=NamedMarks("<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁call▁end｜>"),
)
#: Kimi K2.
KIMI = ToolFormat(
    "kimi",
    "<|tool_calls_section_begin|>",
    end="<|tool_calls_section_end|>",
    opens="<|tool_call_begin|>",
    whole=("<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"),
    named=NamedMarks("<|tool_call_begin|>", "<|tool_call_argument_begin|>", "<|tool_call_end|>"),
)
QWEN_CODER = ToolFormat(
    "qwen-coder",
    "<tool_call>",
    end="</tool_call>",
    opens="",
    each=("<tool_call>\n", "\n</tool_call>"),
    joined="\n",
    tags=Tags(("<function=", ">\n"), ("<parameter=", ">"), ("\n", "\n</parameter>\n"), "</function>"),
)
#: GLM 4.5 and later.
GLM = ToolFormat(
    "glm",
    "<tool_call>",
    opens="",
    each=("<tool_call>", ""),
    joined="\n",
    tags=Tags(("", "\n"), ("<arg_key>", "</arg_key>"), ("\n<arg_value>", "</arg_value>\n"), "</tool_call>"),
)

#: What a template must have all of -> the format that it asks its model for; the first that fits holds.
_TOLD_BY: tuple[tuple[tuple[str, ...], ToolFormat], ...] = (
    (("[TOOL_CALLS]", "[ARGS]"), MISTRAL_NAMED),
    (("[TOOL_CALLS]",), MISTRAL),
    (("<function=", "<parameter="), QWEN_CODER),
    (("<arg_key>",), GLM),
    (("<｜tool▁calls▁begin｜>", "```json"), DEEPSEEK),
    (("<｜tool▁calls▁begin｜>",), DEEPSEEK_BARE),
    (("<|tool_calls_section_begin|>",), KIMI),
    (("<|tool_call_start|>",), LFM),
    (("<function_calls>",), OLMO),
    (("<tool_call>",), HERMES),
    (("<|/tool_call|>",), PHI),
    (("<|/tool|>",), PHI),
    (("<|tool_call|>",), GRANITE),
    (("func_name1(params_name1",), PYTHON),
    (('"parameters"', "ipython"), LLAMA),
)


def tool_format(template: str) -> ToolFormat:
    """The format that a chat template asks its model for: by the marks in its text."""
    found = (form for marks, form in _TOLD_BY if all(mark in template for mark in marks))
    return next(found, JSON)
