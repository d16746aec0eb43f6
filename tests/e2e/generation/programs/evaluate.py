"""Scores a model on the tasks of a folder by lm-eval, and prints the numbers as a line of JSON.

evaluate.py TASKS BACKEND ARGUMENTS
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")

from lm_eval import simple_evaluate
from lm_eval.tasks import TaskManager

folder, backend, arguments = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
found = simple_evaluate(
    model=backend,
    model_args=arguments,
    tasks=[path.stem for path in sorted(folder.glob("*.yaml"))],
    task_manager=TaskManager(include_path=str(folder), include_defaults=False),
    bootstrap_iters=0,
    log_samples=True,
)
samples = {task: [sample["filtered_resps"] for sample in each] for task, each in found["samples"].items()}
sys.stdout.write("RESULT " + json.dumps({"results": found["results"], "samples": samples}) + "\n")
