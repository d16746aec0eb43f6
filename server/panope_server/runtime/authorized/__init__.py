"""What a caller may see and change: layers around models, aliases, jobs and files, that ask `current_principal()`.

Each has the methods of what it stands around. What the caller's key does not see is to it as if it were not there; what
it changes is recorded in the audit log.
"""
