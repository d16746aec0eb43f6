"""Which tokens of which sequences a step computes, and which blocks of the cache hold their keys and values.

sequence        one answer and the request that it belongs to
scheduler       the sequences that run and that wait; chooses the parts of each step
pace            how many tokens a step may have
yielding        how many of them are for sequences of lower priority while one of a higher runs
step            the parts of a step, as the batch that a step model computes
block_manager   gives blocks to sequences and takes them back, over the pool, the tables and the keys
sources         gives the requests of an encoder-decoder what its encoder has read
images          has a model that sees images read them when their places are computed
"""
