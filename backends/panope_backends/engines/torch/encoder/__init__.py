"""Models that give vectors, scores, classes or words of a text, in one run of it.

transformer   the model of transformers by its configuration, with the head that its task needs
model         how it runs: arrays by name in, arrays by name out
traceable     the same in the form that tracers take
tables        how far its tables of words and positions reach
long_texts    what changes in texts longer than a model's own length
spans         answers' starts and ends as one output
splade        values of the vocabulary, pooled over a text
table_reader  questions about tables
"""
