"""Whether a table of words can be run, from facts alone."""

from __future__ import annotations

from panope_backends.api import Level, ModelFacts, Support
from panope_backends.engines.packages import missing_reason

_FORMATS = ("safetensors", "pytorch")


def word_table_support(model: ModelFacts) -> Support:
    """Says whether `load_word_table` can work."""
    if model.task not in ("", "embed"):
        return Support(Level.NONE, f"tables of words run for the task `embed`, not for `{model.task}`", is_final=True)
    if model.format not in _FORMATS:
        known = " and ".join(f"`{name}`" for name in _FORMATS)
        return Support(Level.NONE, f"tables of words are run from {known}, not from `{model.format}`", is_final=True)
    if model.format == "pytorch":
        if "pickles" not in model.grants:
            return Support(Level.NONE, "its weights are pickled, and `grants.pickles` does not list it")
        if missing := missing_reason("torch", "torch"):  # which reads pickles as data
            return Support(Level.NONE, missing)
    return Support(Level.FULL, "words are looked up in a table")
