"""Child processes: Envoy, the job worker, backend programs."""
