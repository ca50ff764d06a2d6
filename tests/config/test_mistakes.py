"""Bad input: one line that names the key and the value, exit code 2, nothing written."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.conftest import PATIENCE, Done, Lottery, environment, snapshot
from tests.helpers.refused import assert_one_line

SGD = "optimizer=sgd"

# (overrides, the key that the line must name, the value that it must show)
MISTAKES = [
    # whole numbers
    ("rounds=-1", "rounds", "-1"),
    ("rounds=2.5", "rounds", "2.5"),
    ("rounds=null", "rounds", "null"),
    ("seed=1.5", "seed", "1.5"),
    ("seed=abc", "seed", "abc"),
    ("seed=-1", "seed", "-1"),
    ("seeds.init=1.5", "seeds.init", "1.5"),
    ("early_stopping.patience=0", "early_stopping.patience", "0"),
    ("trainer.threads=0", "trainer.threads", "0"),
    ("early_bird.epsilon=0", "early_bird.epsilon", "0"),
    ("early_bird=0.1", "early_bird", "0.1"),
    # steps and epochs
    ("iterations=0", "iterations", "0"),
    ("iterations=0ep", "iterations", "0ep"),
    ("iterations=5xy", "iterations", "5xy"),
    ("evaluation.every=0", "evaluation.every", "0"),
    # the rate
    ("pruning.rate=0", "pruning.rate", "0"),
    ("pruning.rate=1", "pruning.rate", "1"),
    ("pruning.rate=-0.1", "pruning.rate", "-0.1"),
    ("pruning.rate=abc", "pruning.rate", "abc"),
    ("pruning.rate='0.2'", "pruning.rate", "0.2"),
    ("pruning.rate=nan", "pruning.rate", "nan"),
    ("pruning.rate=null", "pruning.rate", "null"),
    ("pruning.target_sparsity=1", "pruning.target_sparsity", "1"),
    ("pruning.one_shot=0", "pruning.one_shot", "0"),
    # which layers, at which rates
    ("pruning.only=[conv*]", "pruning.only", "conv*"),
    ("pruning.only=[]", "pruning.only", "[]"),
    ("pruning.exclude=[conv*]", "pruning.exclude", "conv*"),
    ("pruning.exclude=['*']", "exclude", "*"),
    ("pruning.also=[emb*]", "pruning.also", "fc1.bias, fc2.bias, output.bias"),
    ("pruning.also=fc1.bias", "pruning.also", "fc1.bias"),
    ("pruning.also=[fc1.bias] pruning.only=[*.weight]", "pruning.also", "pruning.only"),
    ("pruning.also=[fc1.bias] pruning.units=l1", "pruning.units", "fc1.bias: it has no rows"),
    ("pruning.rates=[{conv*: 0.1}]", "pruning.rates", "conv*"),
    ("pruning.rates=[{output*: 0.5y}]", "pruning.rates", "0.5y"),
    ("pruning.rates=[{output*: 0.5},{out*: 0.5y}]", "pruning.rates", "0.5y"),
    ("pruning.rates=[{output*: 1.0}]", "pruning.rates", "1.0"),
    ("pruning.rates=[{output*: nan}]", "pruning.rates", "nan"),
    ("pruning.rates=[{output*: 9x}]", "pruning.rates", "9x"),
    ("pruning.rates=0.1", "pruning.rates", "0.1"),
    ("model.rates=[{conv*: 0.1}]", "model.rates", "conv*"),
    ("scope=global pruning.rates=[{output*:0.5x}]", "pruning.rates", "0.5x"),
    # when, what and by what
    ("pruning.at=later", "pruning.at", "later"),
    ("pruning.at=init criterion=movement", "pruning.at", "Movement"),
    ("pruning.at=init criterion=magnitude_increase", "pruning.at", "MagnitudeIncrease"),
    ("pruning.at=init criterion=large_init_large_final", "pruning.at", "LargeInitLargeFinal"),
    ("pruning.at=init early_bird.epsilon=0.1", "early_bird.epsilon", "pruning.at=init"),
    ("pruning.units=l3", "pruning.units", "l3"),
    # masks that move
    ("dynamic=1", "dynamic", "1"),
    ("dynamic=rigl dynamic.every=0", "dynamic.every", "0"),
    ("dynamic=rigl dynamic.every=5xy", "dynamic.every", "5xy"),
    ("dynamic=rigl dynamic.every=750", "dynamic.every", "no update in a round of 1000 steps"),
    ("dynamic=gmp dynamic.begin=0.7", "dynamic.begin", "no update in a round of 1000 steps"),
    ("dynamic=set dynamic.fraction=2", "dynamic.fraction", "2"),
    ("dynamic=static dynamic.end=0", "dynamic.end", "0"),
    ("dynamic=none dynamic._target_=torch.nn.ReLU", "dynamic._target_", "steps, settled, quota"),
    ("dynamic=rigl pruning.units=l1", "pruning.units", "moves single weights"),
    ("dynamic=rigl early_bird.epsilon=0.1", "early_bird.epsilon", "dynamic=rigl"),
    ("dynamic=gmp pruning.at=init", "pruning.at", "dynamic=gmp"),
    ("dynamic=gmp criterion=snip", "criterion._target_", "Snip"),
    ("dynamic=gmp +criterion.iterations=3", "criterion.iterations", "3"),
    ("pruning.units=l1 criterion=grasp", "pruning.units", "Grasp"),
    ("pruning.units=l2 scope=erk", "pruning.units", "scope=erk"),
    ("pruning.units=l1 scope=global criterion=random", "pruning.units", "Random"),
    ("pruning.units=l1 pruning.only=[output*]", "pruning.units", "output.weight"),
    ("criterion=snip criterion.num_batches=13", "criterion.num_batches", "1200"),
    ("criterion=snip criterion.batch_size=0", "criterion.batch_size", "0"),
    ("criterion=snip criterion.batch_size=most", "criterion.batch_size", "most"),
    ("criterion.inverted=1", "criterion.inverted", "1"),
    ("criterion=copy criterion.run=x criterion.inverted=true", "criterion.inverted", "copy"),
    ("criterion=snip criterion.mode=test", "criterion.mode", "test"),
    ("criterion=snip criterion.sampling=all", "criterion.sampling", "all"),
    ("criterion=synflow criterion.iterations=0", "criterion.iterations", "0"),
    ("criterion=grasp criterion.temperature=0", "criterion.temperature", "0"),
    ("criterion=grasp model.loss=multi_margin_loss", "criterion", "multi_margin_loss"),
    ("scope.ties=last", "scope.ties", "last"),
    ("scope=erk pruning.rates=[{output*:0.5x}]", "pruning.rates", "scope=erk"),
    # the data
    ("dataset.batch_size=0", "dataset.batch_size", "0"),
    ("dataset.batch_size=1201", "dataset.batch_size", "1201"),
    ("dataset.split_seed=4294967296", "dataset.split_seed", "4294967296"),
    ("dataset.order=random", "dataset.order", "random"),
    ("dataset.subsample=0", "dataset.subsample", "0"),
    ("dataset.subsample=0.01", "dataset.batch_size", "10 training examples"),
    ("dataset.val_share=1", "dataset.val_share", "1"),
    ("dataset.val_share=-0.1", "dataset.val_share", "-0.1"),
    ("dataset.val_share=0.99", "dataset.batch_size", "training examples"),
    ("dataset.random_labels=1.5", "dataset.random_labels", "1.5"),
    ("dataset.shuffle_pixels=1", "dataset.shuffle_pixels", "1"),
    # where rounds start
    ("reinit.to=50ep", "reinit.to", "50ep"),
    ("reinit.to=1.5", "reinit.to", "1.5"),
    ("reinit.optimizer_state=old", "reinit.optimizer_state", "old"),
    ("reinit=random reinit.draw=-1", "reinit.draw", "-1"),
    ("reinit=lr_rewind reinit.keep_optimizer=1", "reinit.keep_optimizer", "1"),
    ("reinit=lr_rewind reinit.steps=0", "reinit.steps", "0"),
    ("reinit=finetune reinit.steps=51ep", "reinit.steps", "51ep"),
    ("reinit=finetune reinit.steps=abc", "reinit.steps", "abc"),
    # training
    ("optimizer.lr=-0.1", "optimizer.lr", "-0.1"),
    ("optimizer.betas=[0.9,1.5]", "optimizer.betas", "1.5"),
    ("optimizer.betas=[0.9]", "optimizer.betas", "0.9"),
    ("optimizer.eps=-1", "optimizer.eps", "-1"),
    ("optimizer.clip_norm=0", "optimizer.clip_norm", "0"),
    (f"{SGD} optimizer.momentum=-0.1", "optimizer.momentum", "-0.1"),
    (f"{SGD} optimizer.nesterov=true optimizer.momentum=0", "optimizer.nesterov", "true"),
    ("optimizer._target_=torch.optim.Nope", "optimizer._target_", "torch.optim.Nope"),
    ("scheduler=step_drops scheduler.at=[5xy]", "scheduler.at", "5xy"),
    ("scheduler=step_drops scheduler.at=500it", "scheduler.at", "500it"),
    ("scheduler=cosine scheduler.final=2", "scheduler.final", "2"),
    ("scheduler=one_cycle scheduler.rise=1", "scheduler.rise", "1"),
    ("scheduler=triangular scheduler.anneal=cos", "scheduler.anneal", "cos"),
    ("scheduler=linear_warmup_cosine scheduler.steps=50ep", "scheduler.steps", "1000"),
    ("optimizer.decay_norms=1", "optimizer.decay_norms", "1"),
    ("scheduler=plateau scheduler.factor=1", "scheduler.factor", "1"),
    ("scheduler=plateau scheduler.patience=-1", "scheduler.patience", "-1"),
    ("scheduler=plateau scheduler.threshold=1", "scheduler.threshold", "1"),
    ("scheduler=plateau scheduler.min_factor=nan", "scheduler.min_factor", "nan"),
    ("scheduler=plateau reinit=lr_rewind reinit.steps=5", "reinit.steps", "5"),
    ("scheduler=plateau reinit=finetune", "reinit.steps", "Plateau"),
    ("model.init=glorot", "model.init", "kaiming_normal"),
    ("model.init_norms=zeros", "model.init_norms", "zeros"),
    ("model.init_from=", "model.init_from", "a text"),
    ("model.init_from=nowhere.pth", "model.init_from", "nowhere.pth: no such file"),
    ("scheduler=warmup scheduler.steps=0it", "scheduler.steps", "0it"),
    ("model.loss=cross_entropie", "model.loss", "cross_entropie"),
    ("model.loss=mse_loss", "model.loss", "mse_loss"),
    ("model._target_=nothing.Here", "model._target_", "nothing.Here"),
    ("model._target_=torch.nn.Linear", "model", "in_features"),
    ("model._target_=torch.nn.ReLU", "model._target_", "torch.nn.ReLU"),
    ("dataset._target_=pathlib.Path", "dataset._target_", "pathlib.Path"),
    # the machine
    ("trainer=gpu", "trainer", "gpu"),
    ("trainer.accelerator=tpu", "trainer.accelerator", "tpu"),
    ("trainer.precision=16", "trainer.precision", "16"),
    ("trainer.tf32=1", "trainer.tf32", "1"),
    ("trainer.sync_batchnorm=null", "trainer.sync_batchnorm", "null"),
    ("trainer.interface=''", "trainer.interface", ""),
    ("trainer.benchmark=true", "trainer.benchmark", "true"),
    # folders
    ("output_dir=''", "output_dir", ""),
    ("output_dir=a_file/below", "output_dir", "a_file"),
    ("output_dir=/proc/nowhere", "output_dir", "/proc/nowhere"),
    ("output_dir=/proc/nowhere dry_run=true", "output_dir", "/proc/nowhere"),
    ("keep=some", "keep", "some"),
    ("adopt=maybe", "adopt", "maybe"),
    # a value where there are keys below
    ("pruning=0.3", "pruning", "0.3"),
    ("seeds=5", "seeds", "5"),
    # numbers that are too large for C, for a start, for a person
    ("rounds=9999999999999999999999", "rounds", "9999999999999999999999"),
    ("seed=99999999999999999999999999", "seed", "99999999999999999999999999"),
    ("trainer.threads=100000", "trainer.threads", "1024"),
    ("trainer.threads=9999999999999", "trainer.threads", "9999999999999"),
    ("trainer.block=99999999999999999999", "trainer.block", "99999999999999999999"),
    ("iterations=10000000000", "iterations", "10000000"),
    ("iterations=10000000ep", "iterations", "200000000 steps"),
    ("pruning.one_shot=10000000000", "pruning.one_shot", "10000000000"),
    ("model=resnet model.depth=1000000004", "model.depth", "2000"),
    ("model=vit model.patch=4 model.depth=1000000000", "model.depth", "2000"),
    (f"optimizer.lr=1{400 * '0'}", "optimizer.lr", "0000..."),
    (f"seed=1{5000 * '0'}", "seed", "digits"),
    # groups without an option, keys that are removed
    ("dataset=null", "dataset", "null"),
    ("model=5", "model", "5"),
    ("criterion=null", "criterion", "null"),
    ("scope=[5]", "scope", "5"),
    ("reinit=null", "reinit", "null"),
    ("optimizer=null", "optimizer", "null"),
    ("scheduler=null", "scheduler", "null"),
    ("trainer=null", "trainer", "null"),
    ("logger=5", "logger", "5"),
    ("experiment=null", "experiment", "null"),
    ("~seed", "seed", "null"),
    ("~rounds", "rounds", "null"),
    ("~iterations", "iterations", "null"),
    ("~keep", "keep", "null"),
    ("~output_dir", "output_dir", "null"),
    ("~pruning", "pruning.rate", "null"),
    ("~dataset", "dataset._target_", "null"),
    ("~dataset.root", "dataset.root", "null"),
    ("~optimizer._target_", "optimizer._target_", "null"),
    ("~scheduler", "scheduler", "null"),
    ("short=true shortened=null", "shortened", "null"),
    ("short=true shortened=5", "shortened", "5"),
    ("~callbacks=[]", "callbacks", "[]"),
    ("~hydra.callbacks.gate", "hydra.callbacks.gate", "stays"),
    ("hydra.callbacks.gate._target_=nothing", "hydra.callbacks.gate", "stays"),
    ("optimizer.betas._target_=x", "optimizer.betas._target_=x", "Hydra"),
    ("scheduler._target_=builtins.dict", "scheduler._target_=builtins.dict", "expected"),
    ("criterion._target_=builtins.dict", "criterion._target_=builtins.dict", "expected"),
    ("scope._target_=builtins.dict", "scope._target_=builtins.dict", "expected"),
    ("reinit._target_=builtins.dict", "reinit._target_=builtins.dict", "expected"),
    ("optimizer._target_=pathlib.Path", "optimizer", "list"),
    # keys that are no one's: Hydra itself proposes the +
    ("+nonsense=5", "nonsense", "5"),
    ("+lr=0.1", "lr", "optimizer.lr"),
    ("+iteration=5", "iteration", "iterations"),
    # values that nothing can be made from
    ("dataset._target_=.", "dataset._target_", "."),
    ("dataset._target_=..", "dataset._target_", ".."),
    ("model.loss=[cross_entropy]", "model.loss", "cross_entropy"),
    ("model.loss={a:5}", "model.loss._target_", "null"),
    ("pruning.rates=[{}]", "pruning.rates", "[{}]"),
    ("+optimizer.foreach=x", "optimizer.foreach", "x"),
    ("+optimizer.foreach=true", "optimizer", "foreach"),
    ("+optimizer.differentiable=true", "optimizer", "differentiable"),
    ("rounds=${nothing}", "rounds", "nothing"),
    ("rounds=${rounds}", "rounds", "recursive"),
    ("output_dir=${oc.env:NOTHING}", "output_dir", "NOTHING"),
    ("keep='one\ntwo'", "keep", "one two"),
    # copied masks
    ("criterion=copy", "criterion.run", "null"),
    ("criterion=copy criterion.run=nowhere", "criterion.run", "nowhere"),
    ("criterion=copy criterion.run=5", "criterion.run", "5"),
    ("criterion=copy criterion.run=an_empty_folder", "criterion.run", "an_empty_folder"),
    ("criterion=copy criterion.run=x criterion.shuffle=rows", "criterion.shuffle", "rows"),
    ("criterion=copy criterion.run=x criterion.rounds=[2.5]", "criterion.rounds", "2.5"),
]


def _arguments(overrides: str) -> list[str]:
    """Split at the blanks that stand between overrides, not at those inside a list."""
    if "[{" in overrides and not overrides.startswith("scope"):
        return [overrides]
    return overrides.split(" ")


@pytest.mark.parametrize(
    ("overrides", "key", "value"), MISTAKES, ids=[m[0][:60] for m in MISTAKES]
)
def test_a_mistake_is_one_line_and_leaves_no_trace(
    lottery: Lottery,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    overrides: str,
    key: str,
    value: str,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (folder / "a_file").write_text("in the way")
    (folder / "an_empty_folder").mkdir()
    before = snapshot(folder)
    done = lottery(*_arguments(overrides))
    assert_one_line(done, key, value)
    assert snapshot(folder) == before


@pytest.mark.parametrize(
    "arguments",
    [["foo=1"], ["pruning.rte=0.1"], ["optimizer=adm"], ["-m", "pruning.rte=0.1,0.2"]],
    ids=" ".join,
)
def test_a_typo_in_a_name_is_hydras_own_error(
    lottery: Lottery, folder: Path, arguments: list[str]
) -> None:
    done = lottery(*arguments)
    assert done.code == 1
    assert "Could not" in done.err
    assert arguments[-1].split("=")[0] in done.err
    assert done.out == ""
    assert snapshot(folder) == {}


def test_what_does_not_fit_the_data_is_refused(lottery: Lottery, folder: Path) -> None:
    done = lottery("dataset.batch_size=5000", "trainer.threads=1")
    assert_one_line(done, "dataset.batch_size", "5000")
    assert "1200" in done.err
    assert snapshot(folder) == {}


def test_real_command_refuses_a_plain_value_without_torch(folder: Path) -> None:
    program = (
        "import sys\n"
        "from lottery.cli.train import main\n"
        "try:\n    main()\n"
        "finally:\n    print([m for m in sys.modules if m.split('.')[0] == 'torch'])"
    )
    command = [sys.executable, "-c", program, "pruning.rate=7"]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=PATIENCE, env=environment(), check=False
    )
    assert_one_line(Done(done.returncode, "", done.stderr), "pruning.rate", "7")
    assert done.stdout == "[]\n"
    assert snapshot(folder) == {}
