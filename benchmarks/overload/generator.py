"""The many calls of `benchmarks/overload/overload.py`, made by a process of its own.

In one process with the caller whose time counts, that time would have the work of making and refusing all others in it.
`--nice` makes it give way to the server on the processor, as callers elsewhere would; the rate that it kept is told.

It reads a command a line, in JSON, and answers each with a line: `{"load": "peak", "seconds": 10}` when that is over,
`{"load": "overload", "rate": 90}` at once, and `{"stop": true}` when the calls that the last one made have ended.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from dataclasses import asdict
from types import TracebackType
from typing import Any

from benchmarks.overload.calls import CASES, Caller, Case, Outcomes, Sizes, closed_loop, open_loop


class Generator:
    """The process, for who measures.

    Args:
        address: of the server.
        nice: how much it gives way to other programs.
    """

    def __init__(self, address: str, task: str, sizes: Sizes, nice: int) -> None:
        self._command = [
            sys.executable,
            "-m",
            __spec__.name,
            address,
            task,
            json.dumps(asdict(sizes)),
            "--nice",
            str(nice),
        ]

    async def __aenter__(self) -> Generator:
        pipe = asyncio.subprocess.PIPE
        self._process = await asyncio.create_subprocess_exec(*self._command, stdin=pipe, stdout=pipe, limit=1 << 26)
        await self._answer()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    async def run(self, load: str, seconds: float, rate: float = 0.0) -> tuple[Outcomes, float]:
        """What became of a load, and how many seconds it took until the last of its calls had ended."""
        answer = await self._ask({"load": load, "rate": rate, "seconds": seconds})
        return Outcomes(**answer["outcomes"]), answer["took"]

    async def begin(self, load: str, rate: float = 0.0) -> None:
        """Begins a load that goes on until `stop`."""
        await self._ask({"load": load, "rate": rate})

    async def stop(self) -> None:
        """Ends the calls of the load that was begun."""
        await self._ask({"stop": True})

    async def _ask(self, command: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        return await self._answer()

    async def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("the program that makes the calls has ended")
        answer: dict[str, Any] = json.loads(line)
        return answer


async def calls(caller: Caller, case: Case, command: dict[str, Any], until: asyncio.Event) -> Outcomes:
    """The calls that a command names, until told."""
    match command["load"]:
        case "overload":
            return await open_loop(caller, case.bulk, command["rate"], case.timeout, until)
        case "refused":
            return await open_loop(caller, case.unknown, command["rate"], case.timeout, until)
        case "flood":
            return await closed_loop(caller, case.bulk, case.flood, until)
        case _:
            return await closed_loop(caller, case.bulk, case.width, until)


async def timed(caller: Caller, case: Case, command: dict[str, Any]) -> dict[str, Any]:
    """What became of the calls of some seconds, and how long the last of them took to end."""
    until, began = asyncio.Event(), time.perf_counter()
    asyncio.get_running_loop().call_later(command["seconds"], until.set)
    outcomes = await calls(caller, case, command, until)
    return {"outcomes": asdict(outcomes), "took": time.perf_counter() - began}


async def serve(caller: Caller, case: Case) -> None:
    """Does what it is told, a line at a time."""
    busy: asyncio.Task[Outcomes] | None = None
    print("{}", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        command, answer = json.loads(line), {}
        if "stop" in command and busy is not None:
            busy.cancel()
            await asyncio.wait([busy])
        elif "seconds" in command:
            answer = await timed(caller, case, command)
        else:
            busy = asyncio.create_task(calls(caller, case, command, asyncio.Event()))
        print(json.dumps(answer), flush=True)


async def main() -> None:
    """Serves the one who started it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("address")
    parser.add_argument("task", choices=tuple(CASES))
    parser.add_argument("sizes", help="of calls, in JSON")
    parser.add_argument("--nice", type=int, default=0)
    options = parser.parse_args()
    os.nice(options.nice)
    caller = Caller(options.address, "10.0.0.1")
    await serve(caller, CASES[options.task](Sizes(**json.loads(options.sizes))))
    await caller.channel.close()


if __name__ == "__main__":
    asyncio.run(main())
