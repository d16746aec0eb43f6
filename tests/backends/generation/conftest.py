"""Generation without models: tokens and logits are made on the spot."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))  # for `generation_kinds`
