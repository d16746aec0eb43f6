"""The zoo: tiny seeded models of many kinds, made on the spot by `zoo_models`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))  # for `zoo_models`
