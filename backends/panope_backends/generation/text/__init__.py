"""From the tokens of an answer to its text and its end.

text_stream   the text of one answer, and where it ends by itself
detokenizer   tokens to whole characters
stops         texts that end an answer
vocabulary    which tokens have a text, and the bytes of each
"""
