"""Images and videos by jobs: calls that are accepted now and run later, for callers who come back for the files.

Such a job is a row of the registry's table; this server runs those that it has accepted, through the same pipeline as
calls that wait, as the caller that asked (`docs/decisions/0174-generations-are-jobs-of-the-server.md`).
"""
