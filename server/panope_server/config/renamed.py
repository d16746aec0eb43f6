"""Settings that had another name in an earlier version, so that whoever still uses it is told the new one."""

from __future__ import annotations

from collections.abc import Mapping

#: The name that was -> the name that is, both as TOML's dotted keys.
RENAMED: Mapping[str, str] = {
    "hub.min_free_bytes": "hub.min_free_bytes",
    "hub.allowed_vendors": "hub.allowed_vendors",
    "inference_log.retention_days": "inference_log.retention_days",
    "inference_log.sample_ratio": "inference_log.sample_ratio",
    "job_workers": "jobs.concurrency",
    "jobs.retention_count": "jobs.retention_count",
    "jobs.retention_days": "jobs.retention_days",
    "limits.max_queue_items": "limits.max_queue_items",
    "limits.max_items": "limits.max_items",
    "log_requests": "log_requests",
    "log_file_count": "log_file_count",
    "openai.cl100k_token_ids": "openai.cl100k_token_ids",
    "openai.native_token_ids": "openai.native_token_ids",
    "shared_store.url": "shared_store.url",
    "store.remote_endpoint": "shared_store.endpoint",
    "store.remote_region": "shared_store.region",
    "workers.max_batch_bytes": "workers.max_batch_bytes",
    "workers.heartbeat_timeout_seconds": "workers.heartbeat_timeout_seconds",
    "workers.max_in_flight_bytes": "workers.max_in_flight_bytes",
    "workers.max_in_flight_items": "workers.max_in_flight_items",
}
