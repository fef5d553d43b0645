"""The limits of a decoding process, what breaks it, and that nothing else breaks with it."""

from __future__ import annotations

import asyncio
import io
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import pyvips
from tests.unit.processing.conftest import MiB, develop, make_sandbox
from tests.unit.processing.samples import encoded, picture, vips

from safelight.errors import ChecksumMismatch, DecodeMemory, DecodeTimeout, PhotoError, SizeMismatch
from safelight.processing.budget import Budget
from safelight.processing.sandbox import PHOTOS_PER_CHILD, Child, ChildDied, Sandbox
from safelight.processing.wire import Thumbnails

pytestmark = pytest.mark.asyncio(loop_scope="session")
Write = Callable[[bytes], Path]
JPEG = encoded(picture(), "JPEG")


def slow() -> bytes:
    """A photo of few bytes that takes a decoder hundreds of milliseconds, however fast the machine."""
    return bytes(pyvips.Image.black(12_000, 10_000, bands=3).pngsave_buffer(compression=1))


def greedy(kind: str) -> bytes:
    """A photo of 24 megapixels that its decoder must hold whole."""
    image = vips(picture(6000, 4000))
    if kind == "jpeg":
        return bytes(image.jpegsave_buffer(interlace=True, subsample_mode="off"))
    if kind == "png":
        return bytes(image.pngsave_buffer(interlace=True, compression=1))
    if kind == "gif":
        return bytes(image.gifsave_buffer(effort=1))
    return bytes(image.webpsave_buffer(lossless=True, effort=0))


async def test_a_photo_that_needs_too_much_memory_fails_alone(write: Write) -> None:
    sandbox = make_sandbox(memory_bytes=64 * MiB)
    for kind in ("jpeg", "png", "gif", "webp"):
        with pytest.raises(DecodeMemory):
            await develop(sandbox, write(greedy(kind)))
        assert (await develop(sandbox, write(JPEG))).described.width == 1600
    await sandbox.close()


async def test_a_photo_that_takes_too_much_cpu_fails_alone(write: Write) -> None:
    sandbox = make_sandbox(cpu_seconds=0.1)
    with pytest.raises(DecodeTimeout):
        await develop(sandbox, write(slow()))
    assert (await develop(sandbox, write(encoded(picture(64, 48), "JPEG")))).described.width == 64
    await sandbox.close()


async def test_a_photo_that_takes_too_long_fails_alone(write: Write) -> None:
    sandbox = make_sandbox()
    path = write(JPEG)
    async with sandbox.child() as child:
        described = await child.describe(path, "image/jpeg")
        # Stopped, it uses no CPU: only the parent's clock can end it.
        os.kill(sandbox.pids()[0], signal.SIGSTOP)
        sandbox.wall_seconds = 0.05
        with pytest.raises(DecodeTimeout):
            await child.thumbnails(path, described)
    sandbox.wall_seconds = 60
    assert (await develop(sandbox, path)).described.width == 1600
    await sandbox.close()


async def test_an_answer_that_nobody_waited_for_is_not_taken_for_the_next_photo_s(write: Write) -> None:
    sandbox = make_sandbox()
    small = encoded(picture(8, 8), "PNG")
    async with sandbox.child() as child:
        await child.verify(write(small), size=len(small), crc32c=None, sha256=None)
        (first,) = sandbox.pids()
    assert (await develop(sandbox, write(JPEG))).described.width == 1600
    assert sandbox.pids() != [first]
    await sandbox.close()


@pytest.mark.parametrize("killer", [signal.SIGKILL, signal.SIGSEGV])
async def test_a_child_killed_at_work_is_told_and_replaced(write: Write, killer: signal.Signals) -> None:
    sandbox = make_sandbox()
    path = write(JPEG)
    async with sandbox.child() as child:
        (victim,) = sandbox.pids()
        os.kill(victim, killer)
        with pytest.raises(ChildDied) as died:
            await child.verify(path, size=len(JPEG), crc32c=None, sha256=None)
    assert died.value.signal == killer
    assert (await develop(sandbox, path)).described.width == 1600
    assert sandbox.pids() != [victim]
    await sandbox.close()


async def test_a_child_killed_at_rest_is_replaced_unnoticed(write: Write) -> None:
    sandbox = make_sandbox()
    await sandbox.start()
    (victim,) = sandbox.pids()
    os.kill(victim, signal.SIGKILL)
    await asyncio.to_thread(os.waitid, os.P_PID, victim, os.WEXITED | os.WNOWAIT)
    assert sandbox.pids() == []
    assert (await develop(sandbox, write(JPEG))).described.width == 1600
    await sandbox.close()


async def test_a_child_is_renewed_after_many_photos(write: Write) -> None:
    sandbox = make_sandbox()
    path, seen = write(encoded(picture(8, 8), "PNG")), set()
    for _ in range(PHOTOS_PER_CHILD + 1):
        async with sandbox.child() as child:
            seen |= set(sandbox.pids())
            await child.describe(path, "image/png")
    assert len(seen) == 2
    await sandbox.close()


async def decoding(child: Child, path: Path) -> asyncio.Task[Thumbnails]:
    """A decoding that has begun, of a photo that takes a while."""
    described = await child.describe(path, "image/png")
    task = asyncio.create_task(child.thumbnails(path, described))
    await settle()
    return task


async def settle() -> None:
    """Let everything run that can run."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_work_given_up_leaves_no_child_behind(write: Write) -> None:
    sandbox = make_sandbox()
    async with sandbox.child() as child:
        task = await decoding(child, write(slow()))
        (pid,) = sandbox.pids()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert sandbox.pids() == []
        assert sandbox.budget.held == 0
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
    await sandbox.close()


async def test_closing_ends_children_at_work_and_at_rest(write: Write) -> None:
    sandbox = make_sandbox(size=2)
    await sandbox.start()
    assert len(set(sandbox.pids())) == 2
    async with sandbox.child() as child:
        task = await decoding(child, write(slow()))
        await sandbox.close()
        assert sandbox.pids() == []
        with pytest.raises(ChildDied):
            await task
    await sandbox.close()


async def test_children_die_with_a_parent_that_is_killed(write: Write) -> None:
    path = write(slow())
    program = (
        "import asyncio, sys; from pathlib import Path\n"
        "from tests.unit.processing.test_sandbox import decoding, make_sandbox\n"
        "async def main():\n"
        "    sandbox = make_sandbox(size=2)\n"
        "    await sandbox.start()\n"
        "    async with sandbox.child() as child:\n"
        "        task = await decoding(child, Path(sys.argv[1]))\n"
        "        print(*sandbox.pids(), flush=True)\n"
        "        await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    parent = subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-c", program, str(path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(["src", "."])},
        cwd=Path(__file__).parents[3],
        text=True,
    )
    with parent:
        assert parent.stdout is not None
        children = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(children) == 2
        waiting = [os.pidfd_open(pid) for pid in children]
        parent.kill()
        # A pidfd becomes readable when its process has ended; the test's own time limit is pytest's.
        for descriptor in waiting:
            await asyncio.to_thread(_ended, descriptor)


def _ended(descriptor: int) -> None:
    assert select.select([descriptor], [], [], 30)[0]
    os.close(descriptor)


async def test_children_see_none_of_the_servers_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAFELIGHT_SECRET", "hush")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    sandbox = make_sandbox()
    await sandbox.start()
    environment = Path(f"/proc/{sandbox.pids()[0]}/environ").read_bytes()  # noqa: ASYNC240
    assert b"hush" not in environment
    assert b"VIPS_BLOCK_UNTRUSTED=1" in environment
    limits = Path(f"/proc/{sandbox.pids()[0]}/limits").read_text()  # noqa: ASYNC240
    assert "Max core file size        0 " in limits
    await sandbox.close()


async def test_decoding_gives_way_to_the_server() -> None:
    sandbox = make_sandbox()
    await sandbox.start()
    (pid,) = sandbox.pids()
    assert os.getpriority(os.PRIO_PROCESS, pid) == min(19, os.getpriority(os.PRIO_PROCESS, 0) + 10)
    group = Path(f"/proc/{pid}/autogroup")
    assert not group.exists() or group.read_text().endswith(" nice 10\n")  # noqa: ASYNC240
    await sandbox.close()


GIVING_WAY = """
import ctypes, os
from safelight.processing import child
if os.getuid() == 0:
    os.setuid(65534)
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE, or what is in /proc/self stays root's
child._give_way()
print(child._AUTOGROUP.read_text() if child._AUTOGROUP.exists() else "nice 10")
"""


async def test_many_give_way_at_once_without_being_root() -> None:
    command = [sys.executable, "-c", GIVING_WAY]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    many = [
        subprocess.Popen(  # noqa: ASYNC220
            command, env=environment, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    for process in many:
        out, complaint = process.communicate(timeout=60)
        assert out.strip().endswith("nice 10"), complaint


@pytest.mark.parametrize(
    ("claims", "error"),
    [
        ({"size": len(JPEG) - 1}, SizeMismatch),
        ({"size": len(JPEG) + 1}, SizeMismatch),
        ({"crc32c": "00000000"}, ChecksumMismatch),
        ({"sha256": "0" * 64}, ChecksumMismatch),
    ],
)
async def test_bytes_are_held_against_every_claim(
    sandbox: Sandbox, write: Write, claims: dict[str, object], error: type[PhotoError]
) -> None:
    size, crc, sha = claims.get("size", len(JPEG)), claims.get("crc32c"), claims.get("sha256")
    assert isinstance(size, int)
    assert isinstance(crc, str | None)
    assert isinstance(sha, str | None)
    async with sandbox.child() as child:
        with pytest.raises(error):
            await child.verify(write(JPEG), size=size, crc32c=crc, sha256=sha)


async def test_a_budget_is_handed_out_in_the_order_asked() -> None:
    budget, order = Budget(100), io.StringIO()
    gates = {name: asyncio.Event() for name in "abcde"}

    async def use(name: str, wanted: int) -> None:
        async with budget.hold(wanted):
            order.write(name)
            await gates[name].wait()

    tasks = {}
    for name, wanted in [("a", 60), ("b", 900), ("c", 10), ("d", 10), ("e", 95)]:
        tasks[name] = asyncio.create_task(use(name, wanted))
        await settle()
    # b is larger than all there is: it waits to be alone, and the small ones behind it do not overtake it.
    assert order.getvalue() == "a"
    gates["a"].set()
    await settle()
    assert order.getvalue() == "ab"
    tasks["c"].cancel()
    gates["b"].set()
    await settle()
    assert order.getvalue() == "abd"
    gates["d"].set()
    await settle()
    assert order.getvalue() == "abde"
    gates["e"].set()
    await asyncio.gather(*(task for name, task in tasks.items() if name != "c"))
    assert budget.held == 0
