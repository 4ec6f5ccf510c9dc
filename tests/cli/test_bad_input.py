"""Every bad input: status 2, one line on stderr that names the input, nothing on stdout, nothing written.

Nothing means: not in the working directory, and no kernel in the cache either, which ``run`` keeps in that directory.
"""

import pytest

MLP = ("generate", "mlp", "--layers", "4,3,2", "--order", "1")
TRANSLATION = ("layers", "translation", "--dataset", "moons")
SCALE = ("layers", "scale", "--dataset", "moons")
TERMS = ("terms", "--dataset", "moons")
EDGE = ("edge", "--dataset", "moons")
NOISE = ("noise", "--dataset", "moons", "--batch-size", "8", "--batches", "independent")
VERIFY = ("verify", "--dataset", "moons", "--orders", "0:1")

#: The command line, what the message must name, and what it must say would be right (or wrong).
BAD = [
    (
        ("deriv",),
        "'deriv'",
        "noise, optimizers, recommend, sweep, terms, track, verify; did you mean 'derive'?",
    ),
    (("verify", "digits"), "(digits)", "usage: eomsym verify"),
    (("verify", "--optimiser", "adam"), "'--optimiser'", "did you mean --optimizer?"),
    (("derive", "heavybal"), "'heavybal'", "did you mean 'heavy-ball'?"),
    (("derive", "adam", "--set", "beta_3=1/2"), "'beta_3'", "did you mean 'beta2'?"),
    (("derive", "adam", "--set", "beta1=1/2", "--set", "Beta_1=1/2"), "'Beta_1'", "beta1 is given twice"),
    (("drift",), "argument OBSERVABLE", "missing"),
    (("recommend", "--accuracy", "nan"), "'nan'", "above 0"),
    (("recommend", "--relative"), "'--relative'", "unknown"),
    (("recommend", "--dataset", "moons", "--precision", "double-double"), "--precision", "take --precision double"),
    (("drift", "13"), "observable: is the same", "give one that changes with theta"),
    (("drift", "norm2(W9)", "--dataset", "moons"), "'W9'", "unknown"),
    (("recommend", "--accuracy", "-1"), "'-1'", "above 0"),
    (("recommend", "--accuracy", "1", "--orders", "0:12"), "'0:12': 12", "0 to 11"),
    (("terms", "--target", "y"), "--target", "give the file with --data too"),
    (("follow", "--data", "no.csv"), "'no.csv'", "give a CSV or NPZ file"),
    (("--frobnicate",), "'--frobnicate'", "--help"),
    (("--version=3",), "'--version'", "takes no value"),
    (("derive", "adamm"), "'adamm'", "gradient-descent"),
    (("derive", "gradient-descent", "extra"), "extra", "usage: eomsym derive"),
    (("derive", "--ordr", "3"), "'--ordr'", "did you mean --order?"),
    (("derive", "--order"), "'--order'", "needs a value"),
    (("derive", "--order", "two"), "'two'", "valid integer"),
    (("derive", "--order", "2.5"), "'2.5'", "valid integer"),
    (("derive", "--order", "-1"), "--order -1", "0 to 15"),
    (("derive", "--order", "16"), "--order 16", "0 to 15"),
    (("derive", "--order", "40"), "--order 40: out of range", "0 to 15"),
    (
        ("derive", "heavy-ball", "--order", "14"),
        "141083 rooted trees, and 40000 are allowed",
        "give a lower order, or values to the parameters",
    ),
    (("derive", "--order", "9" * 400), "--order", "0 to 15"),
    (("derive", "--order", "3\n4"), r"'3\n4'", "valid integer"),
    (("derive", "--order", ""), "''", "valid integer"),
    (("derive", "--format", "yaml"), "'yaml'", "text, latex, sympy, json"),
    (("derive", "--set", "momentum"), "'momentum'", "NAME=VALUE"),
    (("derive", "--set", "=1"), "'=1'", "NAME=VALUE"),
    (("derive", "--set", "momentum=1/2"), "'momentum'", "gradient-descent"),
    (("derive", "--set", "order=3"), "'order'", "gradient-descent"),
    (("derive", "--set", "optimizer=3"), "'optimizer'", "gradient-descent"),
    (("derive", "--set", "__class__=3"), "'__class__'", "gradient-descent"),
    (
        ("terms", "--optimizer", "heavy-ball", "--edge"),
        "--optimizer 'heavy-ball'",
        "known of gradient-descent; take it",
    ),
    ((*TERMS, "--schedule", "1-tau"), "--schedule", "known of plain steps, at one rate on all samples; leave it out"),
    ((*TERMS, "--precision", "double-double"), "--precision 'double-double'", "take --precision double"),
    (("drift", "loss", "--dataset", "moons", "--batch-size", "64"), "--batches", "on all samples; leave it out"),
    ((*TRANSLATION, "--batch-size", "64"), "--batches", "on all samples; leave it out"),
    ((*SCALE, "--optimizer", "adam"), "--optimizer 'adam'", "known of gradient-descent; take it"),
    (("layers", "conserved", "--schedule", "1-tau"), "--schedule", "on all samples; leave it out"),
    ((*VERIFY, "--resum", "--optimizer", "runge-kutta-4"), "runge-kutta-4 vanishes", "leave resum out"),
    ((*VERIFY, "--resum", "--state", "whole"), "resum: is for kernels in doubles", "leave state"),
    ((*VERIFY, "--after", "5"), "--after 5", "give --state whole too"),
    (("drift", "loss", "--dataset", "moons", "--after", "3"), "--after 3", "give --state whole too"),
    (("follow", "--dataset", "moons", "--state", "slow"), "--state 'slow'", "take --state whole"),
    (("follow", "--steps", "0"), "'0'", "greater than or equal to 1"),
    (("follow", "--after", "100001"), "'100001'", "less than or equal to 100000"),
    (("follow", "--orders", "0:21"), "'0:21': 21", "0 to 20"),
    (("follow", "--eta", "0"), "'0'", "above 0"),
    (("follow", "--state", "half"), "'half'", "whole, slow"),
    (("follow", "--optimizer", "adamant"), "'adamant'", "gradient-descent"),
    (("follow", "--optimizer", "heavy-ball", "--set", "beta=1"), "beta = 1", "0 <= beta < 1"),
    (("follow", "--optimizer", "torch.Adam()", "--set", "beta1=1/2"), "beta1", "write it in there"),
    (("follow", "--dataset", "moons", "--layers", "3,2"), "'3,2'", "first width is 2"),
    (("optimizers", "--format", "xml"), "'xml'", "table, json"),
    (("optimizers", "gradient-descent"), "gradient-descent", "usage: eomsym optimizers"),
    (("generate",), "generate", "--check"),
    (("generate", "cnn"), "'cnn'", "mlp"),
    (("generate", "--check", "mlp", "--layers", "2,2", "--order", "1"), "--check", "'mlp'"),
    (("generate", "mlp", "--order", "2"), "'--layers'", "missing"),
    (("generate", "mlp", "--layers", "2,2"), "'--order'", "missing"),
    ((*MLP, "--order", "13"), "13", "0 to 12"),
    ((*MLP, "--layers", "4"), "[4]", "64,32,10"),
    ((*MLP, "--layers", "4,x,2"), "'4,x,2'", "64,32,10"),
    ((*MLP, "--layers", "4,0,2"), "0", "1 to 100000"),
    ((*MLP, "--layers", "4,3,1"), "[4, 3, 1]", "at least 2 outputs"),
    ((*MLP, "--activation", "relu"), "'relu'", "softplus"),
    ((*MLP, "--activation", "tahn"), "'tahn'", "tanh"),
    ((*MLP, "--loss", "hinge"), "'hinge'", "mse, cross-entropy"),
    ((*MLP, "--weight-decay", "nan"), "--weight-decay nan", "not negative"),
    ((*MLP, "--weight-decay", "-1"), "--weight-decay -1.0", "not negative"),
    ((*MLP, "--optimizer", "adamm"), "'adamm'", "gradient-descent"),
    ((*MLP, "--output", ""), "''", "folder"),
    ((*MLP, "--output", "/dev/null"), "'/dev/null'", "folder"),
    ((*MLP, "--output", "x" * 256), "file name too long", "another name"),
    ((*MLP, "--output", "a\0b"), "embedded null byte", "another name"),
    ((*MLP, "--output", "/proc/\x1b[31m"), "\\x1b[31m", "cannot write"),
    ((*MLP, "--output", "/dev/null/below"), "'/dev/null'", "folder"),
    ((*MLP, "--output", "/proc/two\nlines"), "/proc/two lines", "cannot write"),
    ((*VERIFY, "--dataset", "mnist"), "'mnist'", "digits"),
    ((*VERIFY, "--orders", "4:0"), "'4:0'", "0:4"),
    ((*VERIFY, "--orders", "0-4"), "'0-4'", "0:4"),
    ((*VERIFY, "--orders", "0:99"), "'0:99': 99", "0 to 19"),
    ((*VERIFY, "--orders", "0:12"), "--orders 12", "0 to 11"),
    ((*VERIFY, "--orders", "1,1"), "'1,1'", "once"),
    ((*VERIFY, "--plot", "slopes.jpeg"), "'slopes.jpeg'", ".png, .pdf, .svg"),
    ((*VERIFY, "--plot", "slopes"), "'slopes'", ".png, .pdf, .svg"),
    ((*VERIFY, "--plot", "missing/slopes.png"), "'missing'", "make it first"),
    ((*VERIFY, "--layers", "3,4,2"), "'3,4,2'", "first width is 2"),
    ((*VERIFY, "--layers", "2,4,3,1", "--dataset", "teacher", "--loss", "cross-entropy"), "4, 3, 1", "at least 2"),
    ((*VERIFY, "--layers", "2,4,2", "--dataset", "teacher"), "'2,4,2'", "the last is 1"),
    ((*VERIFY, "--loss", "mse"), "'mse'", "cross-entropy"),
    ((*VERIFY, "--layers", "2,100000,100000,2"), "GB", "give smaller layers or a lower order"),
    ((*VERIFY, "--layers", "2," * 100 + "2"), "101 widths", "at most 100"),
    ((*VERIFY, "--eta", "1e308"), "1e+308", "give a smaller one"),
    ((*VERIFY, "--layers", "2,four,2"), "'2,four,2'", "64,32,10"),
    ((*VERIFY, "--activation", "relu"), "'relu'", "softplus"),
    ((*VERIFY, "--loss", "hinge"), "'hinge'", "mse, cross-entropy"),
    ((*VERIFY, "--seed", "-3"), "'-3'", "greater than or equal to 0"),
    ((*VERIFY, "--seed", "x"), "'x'", "valid integer"),
    ((*VERIFY, "--eta", "0"), "'0'", "above 0"),
    ((*VERIFY, "--eta", "-0.1"), "'-0.1'", "above 0"),
    ((*VERIFY, "--eta", "1/2"), "'1/2'", "0.01"),
    ((*VERIFY, "--eta", "0.1", "--halvings", "1"), "'1'", "greater than or equal to 2"),
    ((*VERIFY, "--eta", "0.1", "--halvings", ""), "''", "valid integer"),
    ((*VERIFY, "--halvings", "3"), "--halvings 3", "--eta"),
    ((*VERIFY, "--output", "kernels"), "'--output'", "unknown"),
    ((*VERIFY, "--begin", "5"), "'--begin'", "unknown"),
    ((*VERIFY, "--state", "half"), "'half'", "slow, whole, shadow"),
    ((*VERIFY, "--batches", "3"), "'3'", "shuffled, fixed, independent, replacement"),
    ((*VERIFY, "--batches", "fixed"), "--batches, --last-batch: of what?", "give --batch-size too"),
    ((*VERIFY, "--last-batch", "drop"), "--batches, --last-batch: of what?", "give --batch-size too"),
    ((*VERIFY, "--last-batch", "none", "--batch-size", "100"), "'none'", "keep, weight, drop"),
    ((*VERIFY, "--batch-size", "0"), "'0'", "greater than or equal to 1"),
    ((*VERIFY, "--batch-size", "257"), "257: there are 256 samples", "give at most as many"),
    ((*VERIFY, "--batch-size", "64", "--batches", "independent"), "independent", "take 'fixed' or 'shuffled'"),
    ((*VERIFY, "--schedule", "0.5", "--schedule", "1"), "'1'", "give one"),
    ((*VERIFY, "--optimizer", "adamw", "--no-decay", "scale"), "'*scale' matches no parameter", "0.weight, 0.bias"),
    ((*VERIFY, "--optimizer", "adam", "--no-decay", "bias"), "no number 'decay'", "choose from beta1"),
    ((*VERIFY, "--optimizer", "adamw", "--no-decay", "bias,,"), "'bias,,'", "bias,0.weight"),
    ((*VERIFY, "--precision", "single"), "'single'", "double, double-double"),
    ((*EDGE, "--order", "12"), "'12'", "less than or equal to 11"),
    ((*EDGE, "--eta", "0"), "'0'", "above 0"),
    ((*EDGE, "--after", "-1"), "'-1'", "greater than or equal to 0"),
    ((*EDGE, "--precision", "double-double"), "--precision 'double-double'", "take --precision double"),
    ((*EDGE, "--batch-size", "8", "--batches", "replacement"), "replacement", "take 'fixed' or 'shuffled'"),
    (NOISE[:3], "--batches", "give a size and the order 'shuffled', 'independent' or 'replacement'"),
    (
        (*NOISE, "--batches", "fixed"),
        "--batches",
        "give a size and the order 'shuffled', 'independent' or 'replacement'",
    ),
    ((*NOISE, "--what-if", "beta=2"), "--what-if", "it changes eta or batch-size to a number"),
    ((*NOISE, "--batch-size", "257"), "257", "from 1 to 256"),
    ((*NOISE, "--ensemble", "5"), "--ensemble 5", "at least 10"),
    ((*NOISE, "--optimizer", "extragradient"), "--optimizer 'extragradient'", "noise needs one"),
    ((*NOISE, "--steps", "0"), "'0'", "greater than or equal to 1"),
    ((*VERIFY, "--format", "csv"), "'csv'", "table, json"),
    ((*VERIFY, "--optimizer", "adamm"), "'adamm'", "gradient-descent"),
    ((*VERIFY, "--order", "2"), "'--order'", "--orders"),
    (("layers", "rotation"), "'rotation'", "scale, translation"),
    ((*TRANSLATION, "--eta", "0"), "'0'", "above 0"),
    ((*TRANSLATION, "--weight-decay", "0"), "--weight-decay 0.0", "above 0"),
    ((*TRANSLATION, "--eta", "20", "--weight-decay", "0.1"), "20", "less than 1"),
    ((*TRANSLATION, "--steps", "0"), "'0'", "greater than or equal to 1"),
    ((*TRANSLATION, "--orders", "0:12"), "'0:12': 12", "0 to 11"),
    ((*TRANSLATION, "--layers", "2,4,1"), "[2, 4, 1]", "at least 2 outputs"),
    ((*TRANSLATION, "--dataset", "teacher"), "'mse'", "cross-entropy"),
    ((*TRANSLATION, "--plot", "a.gif"), "'a.gif'", ".png, .pdf, .svg"),
    ((*TRANSLATION, "--format", "csv"), "'csv'", "table, json"),
    ((*SCALE, "--normalization", "none"), "'none'", "take weight, batch or layer"),
    ((*SCALE, "--layers", "2,2"), "[2, 2]", "no hidden layer"),
    ((*SCALE, "--eta", "200"), "--eta 200.0", "less than 1"),
    ((*SCALE, "--orders", "0-2"), "'0-2'", "0:4"),
    ((*SCALE, "--seed", "x"), "'x'", "valid integer"),
    ((*TERMS, "--order", "0"), "'0'", "greater than or equal to 1"),
    ((*TERMS, "--order", "8"), "'8'", "less than or equal to 7"),
    ((*TERMS, "--points", "1"), "'1'", "greater than or equal to 2"),
    ((*TERMS, "--steps", "many"), "'many'", "valid integer"),
    ((*TERMS, "--normalization", "group"), "'group'", "none, weight, batch, layer"),
    ((*TERMS, "--eta", "-1"), "'-1'", "above 0"),
    (("sweep", "walk"), "'walk'", "plot, run, table"),
    (("sweep", "run"), "argument SWEEP", "see 'eomsym sweep run --help'"),
    (("sweep", "run", "no.toml"), "'no.toml'", "give a sweep file"),
    (("sweep", "run", "no.toml", "--executor", "threads"), "'threads'", "serial, processes"),
    (("sweep", "run", "no.toml", "--workers", "2"), "--workers", "add --executor processes"),
    (("sweep", "run", "no.toml", "--executor", "processes", "--workers", "0"), "--workers 0", "1 to 256"),
    (("sweep", "run", "no.toml", "--scheduler", "here"), "'here'", "tcp://"),
    (("sweep", "run", "no.toml", "--scheduler", "tcp://h:1", "--workers", "2"), "--scheduler", "leave out"),
    (("sweep", "run", "/dev/null"), "/dev/null", "orders"),
    (("sweep", "table", "no.toml"), "'no.toml'", "give a sweep file"),
    (("sweep", "table", "no.parquet"), "'no.parquet'", "results.parquet"),
    (("sweep", "table", "/proc"), "'/proc'", "folder of results"),
    (("sweep", "table", "no.toml", "--format", "yaml"), "'yaml'", "table, json, csv"),
    (("sweep", "plot", "no.toml", "a.gif"), "'a.gif'", ".png, .pdf, .svg"),
    (("sweep", "plot", "no.toml"), "argument FILE", "see 'eomsym sweep plot --help'"),
]


@pytest.mark.parametrize(("arguments", "named", "right"), BAD, ids=[" ".join(case[0])[:60] for case in BAD])
def test_one_clear_line_and_nothing_else(run, tmp_path, arguments, named, right):
    result = run(*arguments)
    assert (result.status, result.out) == (2, "")
    assert result.err.startswith("eomsym: ")
    assert result.err.count("\n") == 1
    assert named in result.err
    assert right in result.err
    assert list(tmp_path.rglob("*")) == []


def test_a_process_of_its_own_says_the_same(run_process, tmp_path):
    result = run_process("derive", "--order", "two")
    said = "eomsym: --order 'two': input should be a valid integer, unable to parse string as an integer\n"
    assert result == (2, "", said)
    assert list(tmp_path.iterdir()) == []


def test_bytes_that_are_no_text(run_process):
    result = run_process("derive", b"\xff\xfe")
    assert result.status == 2
    assert result.err.count("\n") == 1


def test_what_is_very_long_is_cut_in_the_middle(run):
    result = run("derive", "\x1b" * 3000)
    assert result.status == 2
    assert result.err.startswith("eomsym: optimizer '")
    assert result.err.endswith("alternating-players, rmsprop, adam, adamw\n")
    assert len(result.err) < 1100


def test_a_lack_of_memory_is_told_in_one_line(run, monkeypatch):
    def fill(*_, **__):
        raise MemoryError

    monkeypatch.setattr("eomsym.codegen.store.generate", fill)
    result = run(*MLP)
    assert (result.status, result.out) == (2, "")
    assert result.err == "eomsym: not enough memory for what was asked; give smaller layers or a lower order\n"
