"""Models that are Python code, with an admin's grant: Triton's `model.py`, and `hf_*.py` skills.

backend        the backend
own_code       imports a model's file, and turns what goes wrong in it into errors without its text
triton_model   a class of Triton's shape as a TensorModel
triton_utils   what Triton's models import as `triton_python_backend_utils`
skill          a skill whose handler is ready to be asked
skill_models   skills as models
tensors        what a model's code gives, held to what config.pbtxt says
"""
