"""Images, and later audio and video, as bytes that strangers sent: told by their content, bounded, decoded.

Only workers import this: a decoder's crash ends one instance, and the server lives on.
"""
