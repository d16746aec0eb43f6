"""The hub's own read routes over what this store holds, below `/hub`.

With `HF_ENDPOINT=http://HOST:8000/hub` the hub's clients list, look up and pull models here. Files that the store does
not hold are not listed; nothing can be changed.

app         the routes
models      models as the hub tells of them, and lists of them
trees       files and folders as the hub tells of them
queries     query parameters and pages
errors      errors as the hub's clients read them
"""
