"""Answers that are kept and given again; calls that wait for one run of what they all ask."""
