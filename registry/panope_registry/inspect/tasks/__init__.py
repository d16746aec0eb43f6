"""What a model is for, concluded from what its files, its source and its user say.

words       the tasks, and the words that others have for them
known       the classes of model libraries, as written down in architectures.json
evidence    what a model's files say
resolve_task      what follows when the user, the files and the source speak
"""

from panope_registry.inspect.tasks.evidence import Conclusion, architecture_of, task_of
from panope_registry.inspect.tasks.resolve import ResolvedTask, ambiguous_task, resolve_task
from panope_registry.inspect.tasks.task_maps import TASKS, task_word

__all__ = [
    "TASKS",
    "Conclusion",
    "ResolvedTask",
    "ambiguous_task",
    "architecture_of",
    "resolve_task",
    "task_of",
    "task_word",
]
