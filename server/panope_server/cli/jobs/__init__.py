"""Commands on jobs, and how commands run the jobs that they enqueue."""
