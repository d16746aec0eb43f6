"""The environment of the programs that the server starts: what they need and nothing that is secret.

Workers run models, which are other people's code and data, so they get no database URL, token or key: only variables
on the list below pass.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from panope_backends.host.processors import threads_to_use
from panope_backends.isolation import memory_limit

PASSED = frozenset(
    {
        "HOME",
        "LANG",
        "LC_ALL",
        "LD_LIBRARY_PATH",
        "PATH",
        "PYTHONPATH",
        "SYSTEMROOT",
        "TMPDIR",
        "TZ",
        "VIRTUAL_ENV",
        # Which devices a backend may use, and where its driver is.
        "CUDA_DEVICE_ORDER",
        "CUDA_VISIBLE_DEVICES",
        "GPU_DEVICE_ORDINAL",
        "HIP_VISIBLE_DEVICES",
        "OV_DEVICE",
        "QNN_SDK_ROOT",
        "ROCR_VISIBLE_DEVICES",
        "ZE_AFFINITY_MASK",
        # How drivers and PyTorch use them: MPS of CUDA, cards that ROCm does not list, memory, and looking for faults.
        "CUDA_LAUNCH_BLOCKING",
        "CUDA_MPS_LOG_DIRECTORY",
        "CUDA_MPS_PIPE_DIRECTORY",
        "HSA_OVERRIDE_GFX_VERSION",
        "PYTORCH_ALLOC_CONF",
        "PYTORCH_CUDA_ALLOC_CONF",
        "PYTORCH_HIP_ALLOC_CONF",
        "ROCM_PATH",
        # How many threads OpenMP has, and how they wait.
        "GOMP_SPINCOUNT",
        "OMP_NUM_THREADS",
        "OMP_WAIT_POLICY",
    }
)

#: Unless the operator says otherwise: models share the cores, and threads that spin while they wait for each other take
#: them from those that work (decision 0513).
DEFAULTS = {"OMP_WAIT_POLICY": "PASSIVE"}

#: Models come from the store alone: no library may reach for a hub. And transformers, which is imported without PyTorch
#: where only its processors are used, would say in the log that models are not available.
SET = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
    "TOKENIZERS_PARALLELISM": "true",
    "PYTHONUNBUFFERED": "1",
}


def child_environment(environment: Mapping[str, str] | None = None, *, memory_bytes: int = 0) -> dict[str, str]:
    """The environment for workers, conversions and probes.

    Args:
        environment: to take from; None for this process's own.
        memory_bytes: that the program and those that it starts may each allocate; 0 for any.
    """
    source = os.environ if environment is None else environment
    limit = {memory_limit.LIMIT: str(memory_bytes)} if memory_bytes else {}
    threads = {"OMP_NUM_THREADS": str(most)} if (most := threads_to_use(0)) else {}
    return DEFAULTS | threads | {name: value for name, value in source.items() if name in PASSED} | SET | limit
