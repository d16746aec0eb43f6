"""What every task has: an input and an output."""

from __future__ import annotations

from panope_server.tasks.embed import EmbedInput, EmbedOutput
from panope_server.tasks.tensors import TensorInput, TensorOutput
from panope_server.tasks.tokenize import DetokenizeInput, DetokenizeOutput, TokenizeInput, TokenizeOutput

Input = EmbedInput | TensorInput | TokenizeInput | DetokenizeInput
Output = EmbedOutput | TensorOutput | TokenizeOutput | DetokenizeOutput
