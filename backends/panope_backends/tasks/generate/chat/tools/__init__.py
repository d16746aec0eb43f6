"""Tool calls in answers: how models write them, what reads them, and the rules of their grammars.

formats             how models write calls, told by their chat templates
readers             what reads one call while it is written
json_calls          calls that are JSON objects
named_calls         calls that are a name and a JSON object
tagged_calls        calls whose arguments stand between tags
python_calls        calls of Python
nesting             how deep in brackets and quotes a value is
call_grammars       the rules of calls of all formats
argument_grammars   the rules of arguments in tags and in Python
lark                pieces of grammars
"""
