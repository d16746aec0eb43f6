"""Models that are Python code: one of Triton's python backend, or a skill. They are read, and never run here.

Such a model is whatever its code does with the files beside it, so with a grant all of them belong to it, also those
that only other code would open as weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from panope_backends.errors import InvalidInputError, PreconditionError
from panope_backends.model_facts.code_repos import FORMAT as CODE
from panope_backends.python_models.config_text import ConfigError
from panope_backends.python_models.layout import CONFIG_FILE, FORMAT, MODEL_FILE, skill_files, version_of
from panope_backends.python_models.triton import BACKEND, read_model
from panope_registry.inspect.documents import broken
from panope_registry.inspect.file_bytes import Header
from panope_registry.inspect.file_kinds import SUPPORTING, FileKind, kinds_of
from panope_registry.inspect.grants import REMOTE_CODE
from panope_registry.inspect.headers.facts import WeightFacts
from panope_registry.inspect.pbtxt import read_config
from panope_registry.inspect.skills import read_skill
from panope_registry.inspect.weights import WeightSet
from panope_registry.names import shown

#: Tasks that a skill's handler is called for as such; of others it is asked for by tensors of texts.
_SKILL_TASKS = frozenset({"embed"})


@dataclass(frozen=True)
class OwnCode:
    """The code of a model.

    Attributes:
        file: with the class.
        is_whole: whether the model is nothing but the code; else the code is one way to run it.
        task: that the code is for; empty for tensors.
        facts: for people.
    """

    file: str
    is_whole: bool
    task: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def refusal(self) -> PreconditionError:
        """The error for a model that may not run it."""
        return PreconditionError(
            f"`{shown(self.file)}` is the model's own code, which Panope does not run unless the setting "
            "`grants.remote_code` lists the model",
            reason=REMOTE_CODE,
        )


def find_own_code(files: Mapping[str, Header], *, has_weights: bool) -> OwnCode | None:
    """Returns the code that a model is, or may be run by; None for other models.

    Args:
        files: relative path -> where the bytes are.
        has_weights: whether there is another way to run it, which skills then stand beside.

    Raises:
        InvalidInputError: config.pbtxt is broken, or asks for what is not done.
    """
    if CONFIG_FILE in files and (triton := _triton(files)):
        return triton
    skills = skill_files(files)
    if not skills or (has_weights and len(skills) > 1):
        return None
    if len(skills) > 1:
        raise InvalidInputError(
            f"the folder holds {len(skills)} skills, such as `{shown(skills[0])}` and `{shown(skills[1])}`; import "
            "each from a folder of its own",
            field="folder",
        )
    try:
        skill = read_skill(files[skills[0]])
    except InvalidInputError as error:
        if has_weights:
            return None
        raise broken(skills[0], error.message) from None
    task = skill.task if skill.task in _SKILL_TASKS else ""
    return OwnCode(skills[0], not has_weights, task, skill.facts)


def _triton(files: Mapping[str, Header]) -> OwnCode | None:
    config = read_config(files[CONFIG_FILE])
    version = version_of(files, config.default_model_filename)
    is_python = config.backend == BACKEND or (not config.backend and not config.platform)
    if not is_python or (not version and config.backend != BACKEND):
        return None
    named = config.default_model_filename or MODEL_FILE
    if not version:
        raise broken(CONFIG_FILE, f"no version has the file `{shown(named)}`; it lies in a folder such as `1`")
    try:
        read_model(config)
    except ConfigError as error:
        raise broken(CONFIG_FILE, shown(str(error))) from None
    return OwnCode(f"{version}/{named}", is_whole=True)


def own_code_kinds(files: Mapping[str, Header]) -> dict[str, FileKind]:
    """Returns the kinds of the files of a model that may run its code: what is not text for people belongs to it."""
    return {path: _kind(path, kind) for path, kind in kinds_of(files, [REMOTE_CODE]).items()}


def _kind(path: str, kind: FileKind) -> FileKind:
    is_read_by_people = kind is FileKind.DOCUMENT and PurePosixPath(path).suffix != ".txt"
    return kind if kind in SUPPORTING or is_read_by_people else FileKind.WEIGHTS


def own_code_set(code: OwnCode, kinds: Mapping[str, FileKind]) -> WeightSet:
    """Returns the way to run the model by its code; `kinds` are those of `own_code_kinds`."""
    data = {path: path for path, kind in kinds.items() if kind is FileKind.WEIGHTS}
    return WeightSet(FORMAT, "", 0, data, (code.file,), WeightFacts({}))


def code_alone(files: Mapping[str, Header]) -> WeightSet | None:
    """Returns the Python files of a repo without weights, which other models may ask for; None where there are none."""
    code = tuple(sorted(path for path in files if path.endswith(".py")))
    return WeightSet(CODE, "", 0, {path: path for path in code}, code, WeightFacts({})) if code else None
