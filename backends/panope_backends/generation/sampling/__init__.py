"""From a row of logits to the next token of its sequence, and to log-probabilities.

sampler          chooses a token for each row of a step
sampling_state   one sequence's settings, counts and random generator
penalties        adjusts logits by the tokens so far
repeated_ngrams  forbids what would repeat a run of them
endings          forbids the end, and forces it
draws            temperature, top_k, top_p, min_p and the draw
largest, sums    the arithmetic of large vocabularies
logprobs         log-probabilities of the logits as the model gave them
"""
