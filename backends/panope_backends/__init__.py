"""The backend contract, the engines, the task adapters and the worker program."""
