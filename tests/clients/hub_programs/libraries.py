"""Loads a model from HF_ENDPOINT by the libraries that people use, and prints one vector by each as JSON."""

import json
import sys

from sentence_transformers import SentenceTransformer
from transformers import AutoModel, AutoTokenizer, pipeline

name, plain, folder, text = sys.argv[1:]

tokens = AutoTokenizer.from_pretrained(name)(text, return_tensors="pt")
hidden = AutoModel.from_pretrained(name)(**tokens).last_hidden_state[0]
piped = pipeline("feature-extraction", model=name)(text)[0]
# Without a task, the one that the hub tells is taken.
guessed = pipeline(model=plain)(text)[0]
json.dump(
    {
        "AutoModel": hidden.tolist(),
        "pipeline": piped,
        "pipeline without a task": guessed,
        "SentenceTransformer": SentenceTransformer(name, device="cpu").encode(text).tolist(),
        "the folder itself": SentenceTransformer(folder, device="cpu").encode(text).tolist(),
    },
    sys.stdout,
)
