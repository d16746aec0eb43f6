"""Each rule finds its bad example, and nothing else in it; Panope's own protos have no problem."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

HEAD = 'syntax = "proto3";\n'
HTTP = 'import "google/api/annotations.proto";\n'

GOOD = """
// A service.
service ThingService {
  // A method.
  rpc GetThing(GetThingRequest) returns (GetThingResponse) {
    option (google.api.http) = {
      get: "/v1/things/{name=**}"
      additional_bindings {post: "/v1/things:get" body: "kind"}
    };
  }
}
// What to get.
message GetThingRequest {
  string name = 1; // Its name.
  // Its kind.
  HTTPKind kind = 2;
  // Its labels.
  map<string, string> labels = 3;
  // Its size.
  optional uint32 size_bytes = 4;
}
// What was got.
message GetThingResponse {}
// A kind.
enum HTTPKind {
  // Never sent.
  HTTP_KIND_UNSPECIFIED = 0;
  // The first.
  HTTP_KIND_ONE = 1;
}
"""


def service(rules: str, *, request: str = "// Its name.\n string name = 1;") -> str:
    """A service of two methods A and B with HTTP rules."""
    rule_a, rule_b = rules.split("|")
    return f"""
// A service.
service ThingService {{
  // A method.
  rpc A(ARequest) returns (AResponse) {{option (google.api.http) = {{{rule_a}}};}}
  // A method.
  rpc B(BRequest) returns (BResponse) {{option (google.api.http) = {{{rule_b}}};}}
}}
// A message.
message ARequest {{
  {request}
}}
// A message.
message AResponse {{}}
// A message.
message BRequest {{
  {request}
}}
// A message.
message BResponse {{}}
"""


#: Name, file, source, and the rules that it breaks, each with what its message says.
EXAMPLES: Mapping[str, tuple[str, str, list[tuple[str, str]]]] = {
    "good": ("panope/good/v1/things.proto", f"{HEAD}package panope.good.v1;\n{HTTP}{GOOD}", []),
    "a package without a version": (
        "panope/unversioned/a.proto",
        f"{HEAD}package panope.unversioned;",
        [("package-version", "does not end in a version")],
    ),
    "a package in another folder": (
        "panope/here/v1/a.proto",
        f"{HEAD}package panope.there.v1;",
        [("package-folder", "is in folder `panope/here/v1`")],
    ),
    "a file in camel case": (
        "panope/camel/v1/aFile.proto",
        f"{HEAD}package panope.camel.v1;",
        [("snake-case", "aFile.proto")],
    ),
    "types and fields in the wrong case": (
        "panope/cases/v1/a.proto",
        HEAD
        + """package panope.cases.v1;
        // A message.
        message lower {
          // A field.
          string camelField = 1;
          // A oneof.
          oneof Upper {
            // A field.
            string _leading = 2;
          }
        }""",
        [
            ("pascal-case", "`panope.cases.v1.lower`"),
            ("snake-case", "camelField"),
            ("snake-case", "_leading"),
            ("snake-case", "Upper"),
        ],
    ),
    "enum values without the prefix": (
        "panope/enums/v1/a.proto",
        HEAD
        + """package panope.enums.v1;
        // An enum.
        enum DataType {
          // A value.
          DATA_TYPE_NONE = 0;
          // A value.
          FLOAT = 1;
        }""",
        [("enum-zero", "is not `DATA_TYPE_UNSPECIFIED`"), ("enum-prefix", "`FLOAT` does not start with `DATA_TYPE_`")],
    ),
    "a service without the suffix and a method in lower case": (
        "panope/suffix/v1/a.proto",
        HEAD
        + """package panope.suffix.v1;
        // A service.
        service Things {
          // A method.
          rpc get(getRequest) returns (getResponse);
        }
        // A message.
        message getRequest {}
        // A message.
        message getResponse {}""",
        [
            ("service-suffix", "does not end in Service"),
            ("pascal-case", "Things.get`"),
            ("pascal-case", "getRequest"),
            ("pascal-case", "getResponse"),
        ],
    ),
    "methods that share messages or take another's": (
        "panope/shared/v1/a.proto",
        HEAD
        + """package panope.shared.v1;
        // A service.
        service ThingService {
          // A method.
          rpc Get(GetRequest) returns (Thing);
          // A method.
          rpc Put(GetRequest) returns (PutResponse);
        }
        // A message.
        message GetRequest {}
        // A message.
        message Thing {}
        // A message.
        message PutResponse {}""",
        [
            ("method-messages", "Get` shares GetRequest"),
            ("method-messages", "Get` has panope.shared.v1.Thing, not its own GetResponse"),
            ("method-messages", "Put` has panope.shared.v1.GetRequest, not its own PutRequest"),
        ],
    ),
    "imports in vain and a public one": (
        "panope/imports/v1/a.proto",
        HEAD
        + """package panope.imports.v1;
        import "google/api/annotations.proto";
        import public "google/protobuf/struct.proto";
        // A message.
        message A {
          // A field.
          google.protobuf.Value value = 1;
        }""",
        [("unused-import", "`google/api/annotations.proto`"), ("import-kind", "`google/protobuf/struct.proto`")],
    ),
    "nothing is explained": (
        "panope/silent/v1/a.proto",
        HEAD
        + """package panope.silent.v1;
        service AService { rpc B(BRequest) returns (BResponse); }
        message BRequest { message Inner {} oneof one { Inner inner = 1; } }
        message BResponse { enum State { STATE_UNSPECIFIED = 0; } }""",
        [
            ("comment", f"`panope.silent.v1.{name}`")
            for name in (
                "AService",
                "AService.B",
                "BRequest",
                "BRequest.inner",
                "BRequest.one",
                "BRequest.Inner",
                "BResponse",
                "BResponse.State",
                "BResponse.State.STATE_UNSPECIFIED",
            )
        ],
    ),
    "two methods with one template": (
        "panope/twice/v1/a.proto",
        f"{HEAD}package panope.twice.v1;\n{HTTP}"
        + service(
            'get: "/v1/x/{name=*}"|post: "/v1/y" body: "*" additional_bindings {get: "/v1/x/{title}"}',
            request="// Its name.\n string name = 1;\n // Its title.\n string title = 2;",
        ),
        [
            ("http-duplicate", "`GET /v1/x/{name=*}` is the template of another"),
            ("http-duplicate", "`GET /v1/x/{title}` is the template of another"),
        ],
    ),
    "a variable and a body that are no fields": (
        "panope/unfielded/v1/a.proto",
        f"{HEAD}package panope.unfielded.v1;\n{HTTP}"
        + service('get: "/v2/{nmae=**}"|post: "/v2/{name.first}" body: "payload"'),
        [
            ("http-field", "names `nmae`, which is no field of panope.unfielded.v1.ARequest"),
            ("http-field", "names `name.first`"),
            ("http-field", "names `payload`"),
        ],
    ),
    "slashes in the wrong places": (
        "panope/slashes/v1/a.proto",
        f"{HEAD}package panope.slashes.v1;\n{HTTP}" + service('get: "/v3/things/"|get: "v3/others"'),
        [("http-slash", "`GET /v3/things/`"), ("http-slash", "`GET v3/others`")],
    ),
}


@pytest.fixture(scope="session")
def problems(lint: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """The problems of all examples, compiled at once."""
    root = tmp_path_factory.mktemp("protos")
    for file, source, _ in EXAMPLES.values():
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text(source)
    return lint.lint(lint.describe([file for file, _, _ in EXAMPLES.values()], root=root))


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_breaks_its_rules_and_no_other(problems: list[Any], name: str) -> None:
    file, _, expected = EXAMPLES[name]

    found = [(problem.rule, problem.message) for problem in problems if problem.file == file]

    assert [rule for rule, _ in found] == [rule for rule, _ in expected]
    for (_, message), (_, words) in zip(found, expected, strict=True):
        assert words in message


def test_a_problem_is_told_with_the_line_it_is_in(problems: list[Any]) -> None:
    told = [str(problem) for problem in problems if problem.rule == "enum-prefix"]

    assert told == ["panope/enums/v1/a.proto:8: enum-prefix: `FLOAT` does not start with `DATA_TYPE_`"]


def test_a_shared_message_is_allowed_where_a_reason_is_written(lint: ModuleType) -> None:
    assert all(reason for reason in lint.SHARED_MESSAGES.values())
    assert set(lint.SHARED_MESSAGES) == {"panope.rest.v1"}


def test_panopes_own_protos_have_no_problem() -> None:
    script = Path(__file__).resolve().parents[2] / "protos/lint.py"

    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, ""), done.stderr
