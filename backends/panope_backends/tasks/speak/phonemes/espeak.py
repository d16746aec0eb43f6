"""Texts as IPA by eSpeak NG, which is run as a program of its own.

It is under the GPL 3, so nothing of it is part of this process or of what Panope ships
([0156](../../../../../docs/decisions/0156-voices-of-phonemes.md)). What it reads and writes is text: clauses on its
standard input, a line of phonemes for each. The marks between clauses, which it leaves out and voices were trained on,
are put back here.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass

from panope_backends.errors import Field, InternalError, InvalidInputError

PROGRAM = "espeak-ng"

#: A clause and the marks behind it.
_CLAUSE = re.compile(r"([^.,;:!?…。！？]+)([.,;:!?…。！？]*)")
#: What eSpeak says where it reads a word in another language, such as `(en)`.
_SWITCH = re.compile(r"\([a-z-]{2,12}\)")
_SECONDS = 20.0


@dataclass(frozen=True)
class Phonemizer:
    """Makes phonemes of texts.

    Attributes:
        language: eSpeak's name of a voice, such as `en-us`.
    """

    language: str

    def phonemes(self, text: str) -> str:
        """Of one sentence.

        Raises:
            InvalidInputError: the program is not installed.
            InternalError: it failed.
        """
        program = shutil.which(PROGRAM)
        if program is None:
            raise InvalidInputError.at(
                "text",
                "{field}: the model speaks phonemes, and the program `espeak-ng`, which makes them of texts, is not"
                " installed on the server; send phonemes, with {other} `ipa`",
                other=Field("input_format"),
                reason="unsupported_field",
            )
        clauses = [(clause.strip(), marks) for clause, marks in _CLAUSE.findall(" ".join(text.split()))]
        spoken = [self._run(program, clause) + marks for clause, marks in clauses if clause]
        return " ".join(spoken)

    def _run(self, program: str, clause: str) -> str:
        command = [program, "-q", "--ipa", "-v", self.language, "--stdin"]
        try:
            done = subprocess.run(
                command, input=clause, capture_output=True, check=True, text=True, encoding="utf-8", timeout=_SECONDS
            )
        except (OSError, subprocess.SubprocessError, UnicodeError) as error:
            raise InternalError("eSpeak NG made no phonemes of the text") from error
        return " ".join(_SWITCH.sub("", done.stdout).split())
