"""Task `tensors`: named tensors through the model as it is."""
