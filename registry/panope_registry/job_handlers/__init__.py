"""The handlers of jobs, one file for each kind; `requests` enqueues them."""
