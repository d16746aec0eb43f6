from __future__ import annotations

import pytest

from panope_server.runtime.instances.instance_supervisor import MAX_BACKOFF_SECONDS, restart_policy
from panope_server.runtime.processes.environment import child_environment


@pytest.mark.parametrize(
    ("crashes", "seconds"), [(0, 0.5), (1, 0.5), (2, 1), (3, 2), (5, 8), (50, MAX_BACKOFF_SECONDS)]
)
def test_the_pause_before_a_restart_doubles_up_to_a_minute(crashes: int, seconds: float) -> None:
    assert seconds * 0.8 <= restart_policy().backoff.delay_seconds(crashes) <= seconds * 1.2


def test_workers_see_no_secret_and_no_hub() -> None:
    seen = child_environment(
        {
            "PATH": "/bin",
            "CUDA_VISIBLE_DEVICES": "0",
            "PANOPE_DATABASE_URL": "postgresql://user:secret@db/x",
            "HF_TOKEN": "hf_secret",
            "AWS_SECRET_ACCESS_KEY": "secret",
        }
    )
    assert (seen["PATH"], seen["CUDA_VISIBLE_DEVICES"], seen["HF_HUB_OFFLINE"]) == ("/bin", "0", "1")
    assert "secret" not in str(seen)


@pytest.mark.parametrize(("set_by_operator", "policy"), [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE")])
def test_threads_of_workers_sleep_while_they_wait_unless_the_operator_says_otherwise(
    set_by_operator: dict[str, str], policy: str
) -> None:
    assert child_environment({"PATH": "/bin", **set_by_operator})["OMP_WAIT_POLICY"] == policy
