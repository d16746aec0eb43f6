"""Answers that match a grammar, by masks over the tokens that may come next.

compiler   grammars, compiled within limits
parser     llguidance, set up
errors     what callers are told about grammars that are refused
bitmasks   sets of allowed tokens as bits
"""
