"""Graphs of other libraries: what `panope.json` beside an ONNX file, or OpenVINO's, says of them."""
