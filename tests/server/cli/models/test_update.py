"""`panope update`, and what `panope import` and `register` say of how long models stay loaded."""

import pytest

MODEL = "acme/tiny"


@pytest.mark.slow  # a dozen programs
def test_a_model_is_registered_with_its_time_and_told_another(cli, hub):
    cli("register", MODEL, "--keep-alive", "10m")
    assert "stays loaded unused: 0:10:00" in cli("show", MODEL).out
    cli("register", MODEL)
    assert cli("show", MODEL, "--json").json["keep_alive_seconds"] == 600.0, "what is not said stays as it was"
    assert f"{MODEL} stays loaded unused: for ever" in cli("update", MODEL, "--keep-alive=-1").out
    assert cli("update", MODEL, "--keep-alive", "", "--json").json["keep_alive_seconds"] is None
    assert "models.update" in cli("audit").out
    assert "`--keep-alive` must be seconds, or a duration" in cli("update", MODEL, "--keep-alive", "soon", code=2).err
    assert "`acme/none` does not exist" in cli("update", "acme/none", "--keep-alive", "5m", code=1).err


def test_a_model_is_imported_with_its_time(cli, tiny, tmp_path):
    for name, data in tiny().items():
        (tmp_path / name).write_bytes(data)
    imported = cli("import", str(tmp_path), "--name", "acme/mine", "--keep-alive", "0", "--json")
    assert imported.json["keep_alive_seconds"] == 0.0
