"""The activations of Dense modules are torch's."""

from __future__ import annotations

import numpy as np
import pytest

from panope_backends.errors import PreconditionError
from panope_backends.tasks.embed.activations import _ACTIVATIONS, activation_of

VALUES = np.concatenate([np.linspace(-8, 8, 321), [-200, -0.0, 200]]).astype(np.float32)


@pytest.mark.parametrize("name", sorted(_ACTIVATIONS))
def test_an_activation_is_torchs(name: str) -> None:
    import torch

    expected = getattr(torch.nn, name)()(torch.from_numpy(VALUES)).numpy()
    place = "linear" if name == "Identity" else "activation"
    for path in (f"torch.nn.modules.{place}.{name}", f"torch.nn.{name}"):
        found = activation_of(path)(VALUES)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("name", ["torch.nn.Softmax", "torch.nn.modules.activation.PReLU", "mine.Tanh", "Tanh", ""])
def test_another_activation_is_refused_by_name(name: str) -> None:
    with pytest.raises(PreconditionError, match=f"the activation `{name}`; Panope runs CELU"):
        activation_of(name)
