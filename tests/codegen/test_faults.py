"""What disks, kills, other processes and other people do to kernels, each staged, and what the user sees."""

import gc
import json
import logging
import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import preloaded
import pytest

import eomsym
from eomsym import files
from eomsym.codegen import KernelSpec, loader, locate
from eomsym.codegen.loader import SPECIFICATION, read_specification
from eomsym.codegen.render import render
from eomsym.codegen.store import write_kernel
from eomsym.errors import EomsymError, InputError, KernelError
from eomsym.models import MLP, ExpressionLoss

REPOSITORY = Path(__file__).parents[2]
SPEC = KernelSpec(ExpressionLoss("x**2*y", ["x", "y"]), 1)
MADE = f"{SPEC.name}.py"
COMMAND = ("generate", "loss", "x**2*y", "--variables", "x,y", "--order", "1", "--output", "kernels")


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """A cache in which ``SPEC`` is compiled once for all tests here."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EOMSYM_CACHE", str(folder))
        eomsym.load(write_kernel(SPEC, folder))
    return folder


def process(program, *arguments, cwd, **environment):
    """A Python program run to its end, however that comes."""
    return preloaded.program(program, arguments, cwd, {**os.environ, **environment})


def command_line(before, *arguments, cwd, **environment):
    """The command line in a process of its own, in which ``before`` is run first."""
    program = f"import sys\n{before}\nfrom eomsym.cli import main\nsys.exit(main(sys.argv[1:]))"
    return process(program, *arguments, cwd=cwd, **environment)


def older(folder):
    """A kernel as another version of the generator left it: whole, but with other bytes."""
    path = write_kernel(SPEC, folder)
    source = path.read_bytes() + b"# of an older generator\n"
    path.write_bytes(source)
    return path, source


def specified_in(path):
    return read_specification(path, path.read_bytes())


def leftovers(folder):
    return [entry.name for entry in folder.iterdir() if entry.suffix != ".py"]


# Disks.


def run_silently(*command):
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


FULL_DISK = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))"


@pytest.mark.parametrize("there", [False, True], ids=["new", "replacing"])
def test_a_disk_that_takes_no_more(there, tmp_path):
    folder = tmp_path / "kernels"
    source = older(folder)[1] if there else None
    result = command_line(FULL_DISK, *COMMAND, cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == f"eomsym: cannot write kernels/{MADE}: File too large; nothing was changed\n"
    assert folder.exists() == there
    if there:
        assert (folder / MADE).read_bytes() == source
        assert leftovers(folder) == []


@pytest.fixture
def tiny_disk(tmp_path):
    """A file system of one page, for those who may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4k", "none", str(place)]
    if os.getuid() != 0 or not run_silently(*mount):
        pytest.skip("no permission to mount; the limit on the size of files above stands for a full disk")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_disk_that_is_full(tiny_disk, tmp_path):
    result = command_line("", *COMMAND[:-1], "disk/kernels", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == f"eomsym: cannot write disk/kernels/{MADE}: No space left on device; nothing was changed\n"
    assert list(tiny_disk.iterdir()) == []


def test_a_full_disk_under_stdout():
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "eomsym", "derive"], stdout=full, stderr=subprocess.PIPE, cwd=REPOSITORY, check=False
        )
    assert done.returncode == 2
    assert done.stderr == b"eomsym: No space left on device; give a path that can be read and written\n"


@pytest.fixture
def read_only():
    """Makes a folder one that nobody can write to, root included, who needs a mount for that."""
    folders = []

    def make(folder):
        if os.getuid() != 0:
            folder.chmod(0o555)
        elif not run_silently("mount", "--bind", folder, folder):
            pytest.skip("root writes everywhere, and may not mount a folder read-only here")
        else:
            folders.append(folder)
            subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], check=True)

    yield make
    for folder in folders:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_folder_that_may_not_be_written(read_only, tmp_path):
    (tmp_path / "kernels").mkdir()
    read_only(tmp_path / "kernels")
    result = command_line("", *COMMAND, cwd=tmp_path)
    assert result.stderr == "eomsym: --output 'kernels': no permission to write in 'kernels'; give another folder\n"
    assert (result.returncode, result.stdout) == (2, "")
    with pytest.raises(EomsymError, match=r"cannot write .*(Read-only|Permission).*; nothing was changed"):
        eomsym.generate(SPEC.model, 1, output=tmp_path / "kernels")
    assert list((tmp_path / "kernels").iterdir()) == []


def test_a_folder_below_a_file(tmp_path):
    (tmp_path / "file").write_text("precious")
    with pytest.raises(EomsymError) as caught:
        eomsym.generate(SPEC.model, 1, output=tmp_path / "file" / "below")
    message = f"cannot write {tmp_path}/file/below/{SPEC.name}.py: Not a directory; nothing was changed"
    assert str(caught.value) == message
    assert (tmp_path / "file").read_text() == "precious"


# Kills.

KILL_AT = """
import os, signal, sys
from pathlib import Path
from eomsym.codegen.store import write_kernel
from eomsym.codegen.spec import KernelSpec
from eomsym.models import ExpressionLoss

name, count = sys.argv[1].split(":")
plain, calls = getattr(os, name), []

def counted(*arguments, **keywords):
    calls.append(name)
    if len(calls) == int(count):
        os.kill(os.getpid(), signal.SIGKILL)
    return plain(*arguments, **keywords)

setattr(os, name, counted)
write_kernel(KernelSpec(ExpressionLoss("x**2*y", ["x", "y"]), 1), Path("kernels"))
"""
#: Where the process is killed: just before the first, second, … call.
MOMENTS = ["fsync:1", "replace:1"]


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_while_a_kernel_is_replaced(moment, tmp_path):
    path, old = older(tmp_path / "kernels")
    assert process(KILL_AT, moment, cwd=tmp_path).returncode == -signal.SIGKILL
    assert path.read_bytes() == old
    assert len(leftovers(path.parent)) > 0
    for leftover in leftovers(path.parent):
        assert leftover.startswith(".eomsym-")
        os.utime(path.parent / leftover, (0, 0))
    write_kernel(SPEC, path.parent)
    assert b"older" not in path.read_bytes()
    assert leftovers(path.parent) == []


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_while_a_new_kernel_is_written(moment, tmp_path):
    assert process(KILL_AT, moment, cwd=tmp_path).returncode == -signal.SIGKILL
    with pytest.raises(KernelError, match=r"cannot be read \(No such file or directory\); generate it again"):
        eomsym.load(tmp_path / "kernels" / MADE)
    assert specified_in(write_kernel(SPEC, tmp_path / "kernels")) == SPEC


#: How a kernel ends, or one of the older generator.
WHOLE = tuple(render(SPEC).encode()[-40:] + more for more in (b"", b"# older\n"))

KILL_ME = """
import itertools, sys
from pathlib import Path
from eomsym.codegen import store
from eomsym.codegen.spec import KernelSpec
from eomsym.models import ExpressionLoss

render = store.render
print("ready", flush=True)
for turn in itertools.count():
    store.render = lambda spec: render(spec) + "# older\\n" * (turn % 2)
    store.write_kernel(KernelSpec(ExpressionLoss("x**2*y", ["x", "y"]), 1), Path("kernels"))
"""


def test_killed_at_any_moment(tmp_path):
    path = write_kernel(SPEC, tmp_path / "kernels")
    random = np.random.default_rng(0)
    for _ in range(4):
        surroundings = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        command = [sys.executable, "-c", KILL_ME]
        with subprocess.Popen(command, cwd=tmp_path, env=surroundings, stdout=subprocess.PIPE) as victim:
            victim.stdout.readline()
            time.sleep(0.05 + 0.1 * random.random())
            victim.kill()
        assert specified_in(path) == SPEC
        assert path.read_bytes().endswith(WHOLE)
    write_kernel(SPEC, path.parent)
    assert b"older" not in path.read_bytes()


# Two at once.

GENERATE_AND_LOAD = """
import sys, time
from pathlib import Path
import eomsym
Path(sys.argv[1]).touch()
while len(list(Path().glob("ready*"))) < 2:
    time.sleep(0.001)
kernel = eomsym.load(eomsym.generate("x**2*y + x", 1, variables=["x", "y"], output="kernels"))
import numpy as np
print(kernel.counterterms(np.array([1.0, 2.0])).tolist())
"""


def test_two_processes_generate_compile_and_load_the_same_kernel(tmp_path):
    surroundings = {**os.environ, "PYTHONPATH": str(REPOSITORY), "EOMSYM_CACHE": str(tmp_path / "cache")}
    both = [
        subprocess.Popen(
            [sys.executable, "-c", GENERATE_AND_LOAD, name],
            cwd=tmp_path,
            env=surroundings,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("ready1", "ready2")
    ]
    answers = [one.communicate(timeout=300) for one in both]
    # g = (2xy + 1, x²) and ξ_0 = ½ Hg at (1, 2)
    assert answers == [("[[5.0, 1.0], [11.0, 5.0]]\n", "")] * 2
    assert [entry.suffix for entry in (tmp_path / "kernels").iterdir()] == [".py"]


def test_a_reader_never_meets_half_a_kernel(tmp_path):
    path, old = older(tmp_path)
    stop, contents = threading.Event(), set()

    def read():
        while not stop.is_set():
            contents.add(path.read_bytes())

    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(read)
        for _ in range(20):
            write_kernel(SPEC, tmp_path)
            files.write_atomically(path, old)
        stop.set()
        reader.result()
    assert len(contents) == 2


# Files that are no kernels.


def rewritten(path, change):
    """With another specification."""
    text = path.read_text()
    line = next(line for line in text.splitlines() if line.startswith(SPECIFICATION))
    entry = json.loads(line.removeprefix(SPECIFICATION))
    change(entry)
    path.write_text(text.replace(line, SPECIFICATION + json.dumps(entry)))


def specified(name, value):
    return lambda path: rewritten(path, lambda entry: entry.update({name: value}))


def as_text(*change):
    def spoil(path):
        text = path.read_text()
        assert change[0] in text
        path.write_text(text.replace(*change, 1))

    return spoil


def as_pipe(path):
    path.unlink()
    os.mkfifo(path)


def as_device(path):
    path.unlink()
    path.symlink_to("/dev/zero")


NONE = "no specification stands in it"
TAMPERED = {
    "no specification": (lambda path: path.write_text("x = 1\n"), NONE),
    "empty": (lambda path: path.write_bytes(b""), NONE),
    "huge": (lambda path: os.truncate(path, 2**40), "larger than 16777216 bytes"),
    "a pipe": (as_pipe, "not a regular file"),
    "a device": (as_device, "not a regular file"),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), "Is a directory"),
    "of no text": (lambda path: path.write_bytes(b"# Specification: \xff\n"), NONE),
    "cut off": (as_text('"order": 1', '"order": 1\n'), "not JSON"),
    "nested": (as_text('{"kind"', "[" * 10**5 + '{"kind"'), "not JSON"),
    "a huge number": (as_text('"order": 1', f'"order": {"9" * 5000}'), NONE),
    "nan": (as_text('"order": 1', '"order": NaN'), "NaN is no number"),
    "a list": (lambda path: path.write_text("# Specification: []\n"), "not a JSON object"),
    "a number": (lambda path: path.write_text("# Specification: 3\n"), "not a JSON object"),
    "with more": (
        lambda path: rewritten(path, lambda entry: entry.update(run="x")),
        "keyword argument 'run'",
    ),
    "without order": (lambda path: rewritten(path, lambda entry: entry.pop("order")), "KeyError: 'order'"),
    "an impossible order": (specified("order", 99), "out of range"),
    "order true": (specified("order", True), "not an integer"),
    "a hostile expression": (specified("expression", "__import__('os')"), "not allowed"),
    "a hostile name": (specified("variables", ["x", "y}}\n{%"]), "not a name"),
    "names no text": (specified("variables", [[], {}]), "not a name"),
    "an expression of the wrong kind": (specified("expression", 3), "give a text"),
    "optimizer a list": (specified("optimizer", ["gradient-descent"]), "unknown"),
    "optimizer a path": (specified("optimizer", "../../etc"), "unknown"),
    "settings a list": (specified("settings", [1]), "TypeError"),
    "settings of another": (specified("settings", {"beta": "1/2"}), "does not have it"),
    "another kind": (specified("kind", "field"), "keyword argument 'expression'"),
    "no kind": (specified("kind", "cnn"), "StopIteration"),
    "precision a number": (specified("precision", 1), "unknown"),
}


@pytest.mark.parametrize(("spoil", "reason"), TAMPERED.values(), ids=TAMPERED)
def test_what_is_no_kernel_is_refused_before_it_runs(spoil, reason, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EOMSYM_CACHE", str(tmp_path / "cache"))
    path = write_kernel(SPEC, tmp_path)
    spoil(path)
    with pytest.raises(KernelError) as caught:
        eomsym.load(path)
    message = str(caught.value)
    assert reason in message
    assert message.startswith(f"kernel {path}: ") or "/dev/zero" in message
    assert message.endswith("generate it again")
    assert "\n" not in message
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("key", "value"), [("weight_decay", 10**400), ("layers", [1, 10**9, 1]), ("layers", [[1], 1]), ("activation", [])]
)
def test_networks_that_are_none_are_refused(key, value, tmp_path):
    path = write_kernel(KernelSpec(MLP([1, 2, 1], "sin", "mse"), 1), tmp_path)
    rewritten(path, lambda entry: entry.update({key: value}))
    with pytest.raises(KernelError, match="no specification stands in it"):
        eomsym.load(path)


def test_a_specification_of_another_order_or_size_is_refused(compiled, tmp_path, monkeypatch):
    """Compiled functions look at no bounds."""
    monkeypatch.setenv("EOMSYM_CACHE", str(compiled))
    for change in ({"order": 2}, {"variables": ["x", "y", "z"]}):
        path = write_kernel(SPEC, tmp_path)
        rewritten(path, lambda entry, change=change: entry.update(change))
        with pytest.raises(KernelError, match="its specification is that of another file; generate it again"):
            eomsym.load(path)


def test_an_edited_and_a_renamed_kernel_are_loaded_as_any_module_is(compiled, tmp_path, monkeypatch):
    monkeypatch.setenv("EOMSYM_CACHE", str(compiled))
    path = write_kernel(SPEC, tmp_path).rename(tmp_path / "other.py")
    assert eomsym.load(path).loss(np.array([3.0, 2.0])) == 18
    path.write_text(path.read_text() + "\n\ndef loss(theta, parameters):\n    return 19.0\n")
    assert eomsym.load(path).loss(np.array([3.0, 2.0])) == 19


@pytest.mark.parametrize("path", ["a\0b", "\ud800", 3, None, b"x\xff"], ids=repr)
def test_what_is_no_path(path):
    with pytest.raises((InputError, KernelError), match="kernel"):
        eomsym.load(path)


def test_links_lead_to_the_kernel(compiled, tmp_path, monkeypatch):
    monkeypatch.setenv("EOMSYM_CACHE", str(compiled))
    path = write_kernel(SPEC, tmp_path / "kernels")
    (tmp_path / "link.py").symlink_to(path)
    assert eomsym.load(tmp_path / "link.py").spec == SPEC
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(EomsymError, match="kernel"):
        eomsym.load(tmp_path / "loop")


# numba's cache.

LOAD = """
import sys
import eomsym
import numpy as np
try:
    kernel = eomsym.load(sys.argv[1])
except eomsym.EomsymError as error:
    sys.exit(f"{type(error).__name__}: {error}")
print(kernel.loss(np.array([3.0, 2.0])))
"""


def cached(folder):
    """Files of numba's cache below a folder."""
    return [path for path in folder.rglob("*") if path.suffix in (".nbi", ".nbc")]


def test_code_that_lies_beside_a_kernel_is_not_run(compiled, tmp_path):
    path = write_kernel(SPEC, tmp_path / "kernels")
    planted = path.parent / "__pycache__"
    planted.mkdir()
    genuine = cached(compiled / "compiled")
    assert genuine
    for file in genuine:
        function = file.name.split(".", 1)[1]  # numba's name: module, then function and line
        (planted / f"{path.stem}.{function}").write_bytes(pickle.dumps("hostile"))
    (planted / f"{path.stem}.cpython-{sys.version_info[0]}{sys.version_info[1]}.pyc").write_bytes(b"hostile")
    done = process(LOAD, path, cwd=tmp_path, EOMSYM_CACHE=str(compiled))
    assert (done.stdout, done.stderr) == ("18.0\n", "")
    assert cached(compiled / "compiled") == genuine


def test_kernels_in_a_folder_that_cannot_be_written_load_as_any_other(compiled, read_only, tmp_path):
    path = write_kernel(SPEC, tmp_path / "kernels")
    read_only(path.parent)
    done = process(LOAD, path, cwd=tmp_path, EOMSYM_CACHE=str(compiled))
    assert (done.stdout, done.stderr) == ("18.0\n", "")
    assert [entry.suffix for entry in path.parent.iterdir()] == [".py"]


def test_a_cache_that_cannot_be_written(tmp_path):
    done = process(LOAD, write_kernel(SPEC, tmp_path), cwd="/", EOMSYM_CACHE="/proc/cache")
    assert done.stdout == ""
    assert done.stderr == (
        "KernelError: compiled kernels cannot be kept in /proc/cache/compiled (No such file or directory); "
        "set EOMSYM_CACHE to a folder that only you can write to\n"
    )


def test_compiling_is_told_once(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("EOMSYM_CACHE", str(tmp_path))
    with caplog.at_level(logging.INFO, "eomsym"):
        for source in (b"x = 1\n", b"x = 1\n", b"x = 2\n"):
            loader._module(tmp_path / "made_for_this_test.py", source)
    line = "compiling made_for_this_test.py: some seconds to a minute, once on this machine"
    assert [record.getMessage() for record in caplog.records] == [line] * 2


@pytest.mark.parametrize("switch", [gc.enable, gc.disable])
def test_the_garbage_collector_rests_while_a_kernel_compiles_and_is_left_as_it_was(tmp_path, monkeypatch, switch):
    monkeypatch.setenv("EOMSYM_CACHE", str(tmp_path))
    try:
        switch()
        before = gc.isenabled()
        assert not loader._module(tmp_path / "made.py", b"import gc\nenabled = gc.isenabled()\n").enabled
        assert gc.isenabled() is before
        with pytest.raises(KernelError, match="division by zero"):
            loader._module(tmp_path / "fails.py", b"1 / 0\n")
        assert gc.isenabled() is before
    finally:
        gc.enable()


def test_a_cache_that_others_can_write_to_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("EOMSYM_CACHE", str(tmp_path))
    folder = locate.code_cache()
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o770)
    with pytest.raises(KernelError) as caught:
        eomsym.load(write_kernel(SPEC, tmp_path))
    assert str(caught.value) == (
        f"compiled kernels are not kept in {folder}, where other users can write; "
        "set EOMSYM_CACHE to a folder that only you can write to"
    )


def test_a_cache_that_is_open_to_all_is_refused_though_its_inside_is_not(tmp_path, monkeypatch):
    monkeypatch.setenv("EOMSYM_CACHE", str(tmp_path))
    locate.code_cache()
    tmp_path.chmod(0o777)
    with pytest.raises(KernelError, match="where other users can write; set EOMSYM_CACHE"):
        locate.code_cache()


def test_no_home(monkeypatch):
    for name in ("EOMSYM_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    with pytest.raises(KernelError, match="no home folder is known; set EOMSYM_CACHE to a folder of yours"):
        locate.user_cache()


def test_numbas_own_folder_that_cannot_be_written_is_passed_over(compiled):
    done = process(LOAD, compiled / MADE, cwd="/", EOMSYM_CACHE=str(compiled), NUMBA_CACHE_DIR="/proc/numba")
    assert (done.stdout, done.stderr) == ("18.0\n", "")


def test_a_damaged_entry_of_numbas_cache(compiled, tmp_path):
    cache = tmp_path / "cache"
    shutil.copytree(compiled, cache)
    (cache / "compiled").chmod(0o700)
    for file in cached(cache):
        file.write_bytes(file.read_bytes()[:100])
    done = process(LOAD, cache / MADE, cwd=tmp_path, EOMSYM_CACHE=str(cache))
    assert done.stdout == ""
    assert done.stderr.startswith(
        f"KernelError: kernel {cache / MADE}: cannot be compiled or taken from numba's cache ("
    )
    place = cache / "compiled" / "__pycache__"
    assert done.stderr.endswith(f"see that the disk is not full, and remove {place}\n")
    assert done.stderr.count("\n") == 1
    shutil.rmtree(place)
    assert process(LOAD, cache / MADE, cwd=tmp_path, EOMSYM_CACHE=str(cache)).stdout == "18.0\n"


def test_a_disk_that_is_full_while_numba_keeps_what_it_compiled(tmp_path):
    path = write_kernel(SPEC, tmp_path)
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))\n"
    done = process(limit + LOAD, path, cwd=tmp_path, EOMSYM_CACHE=str(tmp_path / "cache"))
    assert done.stdout == ""
    assert (
        "cannot be compiled or taken from numba's cache (OSError: [Errno 27] File too large); see that" in done.stderr
    )
    assert process(LOAD, path, cwd=tmp_path, EOMSYM_CACHE=str(tmp_path / "cache")).stdout == "18.0\n"


def test_names_of_long_networks_are_names_of_files(tmp_path):
    """90 layers: a name of 300 letters, which no file system takes; networks that differ at its end only stay apart."""
    deep, other = ([4, *[12] * 90, outputs] for outputs in (3, 2))
    names = [KernelSpec(MLP(layers, "tanh", "mse"), 1).name for layers in (deep, other)]
    assert names[0] != names[1]
    assert all(name.isidentifier() and len(name) <= 180 for name in names)
    path = write_kernel(KernelSpec(MLP(deep, "tanh", "mse"), 1), tmp_path)
    assert path.stem == names[0]
    assert KernelSpec(MLP([4, 3], "tanh", "mse"), 1).name == "mlp_4_3_tanh_mse_gradient_descent_order_1_double"
