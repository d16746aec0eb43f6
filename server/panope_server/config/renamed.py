"""Settings that had another name in an earlier version, so that whoever still uses it is told the new one."""

from __future__ import annotations

from collections.abc import Mapping

#: The name that was -> the name that is, both as TOML's dotted keys.
RENAMED: Mapping[str, str] = {
    "hub.free_space_bytes": "hub.min_free_bytes",
    "hub.vendors": "hub.allowed_vendors",
    "inference_log.keep_days": "inference_log.retention_days",
    "inference_log.sample": "inference_log.sample_ratio",
    "job_workers": "jobs.concurrency",
    "jobs.keep_count": "jobs.retention_count",
    "jobs.keep_days": "jobs.retention_days",
    "limits.max_queue_texts": "limits.max_queue_items",
    "limits.max_texts": "limits.max_items",
    "log_calls": "log_requests",
    "log_files": "log_file_count",
    "openai.cl100k_ids": "openai.cl100k_token_ids",
    "openai.own_ids": "openai.native_token_ids",
    "store.remote": "shared_store.url",
    "store.remote_endpoint": "shared_store.endpoint",
    "store.remote_region": "shared_store.region",
    "workers.max_run_bytes": "workers.max_batch_bytes",
    "workers.silence_timeout_seconds": "workers.heartbeat_timeout_seconds",
    "workers.window_bytes": "workers.max_in_flight_bytes",
    "workers.window_texts": "workers.max_in_flight_items",
}
