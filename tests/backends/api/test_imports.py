"""The contract is cheap to import, because commands that only look at models import it too."""

import subprocess
import sys

import panope_backends.api


def test_it_imports_no_library() -> None:
    program = "import sys, panope_backends.api; print(*{'numpy', 'torch', 'msgspec', 'pytest'} & sys.modules.keys())"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == ""


def test_all_names_that_it_lists_are_there() -> None:
    assert all(hasattr(panope_backends.api, name) for name in panope_backends.api.__all__)
