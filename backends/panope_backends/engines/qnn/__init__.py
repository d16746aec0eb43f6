"""Qualcomm's NPU, by ONNX Runtime's plug-in for QNN; on x86-64 Linux the emulator of it that the package carries.

library      the plug-in: where it is, what it finds, how a session on it is made
backend      the backend: what it lists, supports, loads and converts
convert      a model's graph becomes one of fixed lengths, its floats become integers
calibration  what the graph is run on, to see how large its values are
files        what is written of a model
model        runs it, a row at a time
"""
