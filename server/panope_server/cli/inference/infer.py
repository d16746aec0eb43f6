"""The command that runs a model on tensors as they are."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from panope_server.cli.client import client_for
from panope_server.cli.options import Address, Hardware, Json, Model
from panope_server.cli.output.console import console, print_json

if TYPE_CHECKING:
    import numpy as np

    from panope.v1 import tensor_pb2
    from panope_client import Client


def infer(
    model: Model,
    tensors: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME=VALUES…",
            help="The inputs: values in JSON, in lists as deep as the tensor has axes, or `@FILE` for a file of NumPy "
            "(.npy) or of JSON.",
        ),
    ],
    output: Annotated[list[str] | None, typer.Option("--output", help="An output to print; repeatable.")] = None,
    hardware: Hardware = "",
    address: Address = None,
    json: Json = False,
) -> None:
    """Run a model on named tensors, and print those that it gives."""
    with client_for(model, address, hardware) as client:
        types = _types(client, model)
        arrays = dict(_array(given, types) for given in tensors)
        found = client.infer(arrays, model, output or ())
    if json:
        print_json(
            [
                {"name": name, "type": _type_name(array), "shape": list(array.shape), "values": _values(array)}
                for name, array in found.items()
            ]
        )
        return
    for name, array in found.items():
        console.print(f"{name}: {_type_name(array)} {list(array.shape)}", markup=False)
        console.print(str(_values(array)), markup=False)


def _types(client: Client, model: str) -> dict[str, np.dtype[Any]]:
    """The types of the model's inputs, which are known once it was loaded."""
    from panope_client.tensors import dtype_of

    specs: list[tensor_pb2.TensorSpec] = list(client.model(model).inputs)
    if not specs:
        client.load(model)
        specs = list(client.model(model).inputs)
    return {spec.name: dtype_of(spec.data_type) for spec in specs}


def _array(given: str, types: dict[str, np.dtype[Any]]) -> tuple[str, np.ndarray[Any, Any]]:
    import numpy as np

    name, sign, values = given.partition("=")
    if not sign or not name:
        raise typer.BadParameter(f"`{given}` is not NAME=VALUES", param_hint="NAME=VALUES")
    if name not in types:
        known = ", ".join(types)
        raise typer.BadParameter(f"the model has no input `{name}`; it has {known}", param_hint="NAME=VALUES")
    try:
        return name, np.asarray(_read(values), types[name])
    except (OSError, ValueError, TypeError, OverflowError) as error:
        raise typer.BadParameter(f"`{name}`: {error}", param_hint="NAME=VALUES") from None


def _read(values: str) -> Any:
    """The values of an argument; a file of NumPy's that holds objects, which would run code, is refused by NumPy."""
    import json

    import numpy as np

    if not values.startswith("@"):
        return json.loads(values)
    file = Path(values.removeprefix("@"))
    return np.load(file, allow_pickle=False) if file.suffix == ".npy" else json.loads(file.read_text())


def _type_name(array: np.ndarray[Any, Any]) -> str:
    return "texts" if array.dtype == object else array.dtype.name


def _values(array: np.ndarray[Any, Any]) -> Any:
    """Nested lists; bytes that are no UTF-8 with what stands for a wrong byte."""

    def told(value: Any) -> Any:
        if isinstance(value, list):
            return [told(each) for each in value]
        return value.decode(errors="replace") if isinstance(value, bytes) else value

    return told(array.tolist())
