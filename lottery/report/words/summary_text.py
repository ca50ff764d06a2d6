"""The short written answer of a report: one for each setting."""

from collections.abc import Sequence
from dataclasses import dataclass

from lottery.record.text_table import describe_outside
from lottery.report.read.controls import against_dense
from lottery.report.read.roles import copies, is_ticket
from lottery.report.read.settings import Setting
from lottery.report.words.controls import JudgedControl, control_sentence, controls_of
from lottery.report.words.dense import dense_sentences, ticket_sentence
from lottery.report.words.scores import with_unit
from lottery.report.words.table import plural

MAX_SETTINGS = 8  # that get an answer; the table of settings has all


@dataclass(frozen=True)
class Answer:
    """Sentences about one setting."""

    heading: str
    sentences: tuple[str, ...]


def write_answers(settings: Sequence[Setting], controls: Sequence[JudgedControl]) -> list[Answer]:
    """Write an answer for each setting that prunes; a ticket's answer includes its controls."""
    own = [setting for setting in settings if not copies(setting.config)] or list(settings)
    answers = [_answer(setting, controls) for setting in own[:MAX_SETTINGS]]
    if more := len(own) - len(answers):
        answers.append(Answer(plural(more, "more setting"), ("See the table of settings.",)))
    return answers


def _answer(setting: Setting, controls: Sequence[JudgedControl]) -> Answer:
    heading = f"{setting.label} ({setting.network}, {plural(len(setting.runs), 'seed')})"
    winner = setting.best_pruned_round()
    if winner is None:
        test = setting.means("test").get(0)
        if test is None:
            return Answer(heading, ("No round is finished yet.",))
        only = "Only the dense network is trained yet. "
        only += f"Its test {setting.score.metric} is {with_unit(setting.score, test)}."
        return Answer(heading, (only,))
    gains = against_dense(setting)
    own = controls_of(setting, controls)
    sentences = dense_sentences(setting, winner, gains)
    sentences += [control_sentence(control) for control in own]
    sentences.append(ticket_sentence(setting, gains, own))
    if is_ticket(setting.config):
        sentences += [_cost_sentence(setting, winner), _layers_sentence(setting, winner)]
    sentences.append(_outside_sentence(setting))
    return Answer(heading, tuple(sentence for sentence in sentences if sentence))


def _cost_sentence(setting: Setting, winner: int) -> str:
    params = setting.means("params_remaining")[winner] / setting.means("params")[winner]
    has = f"It has {100 * params:.1f} % of the dense network's parameters"
    dense, left = setting.means("flops").get(winner), setting.means("flops_remaining").get(winner)
    if not dense or not left:
        return f"{has}; FLOPs were not measured."
    return (
        f"{has} and needs {100 * left / dense:.1f} % of its FLOPs. This is a theoretical speedup "
        f"of {dense / left:.1f}, for hardware or kernels that skip zeros."
        f"{_csr_words(setting, winner)}"
    )


def _csr_words(setting: Setting, winner: int) -> str:
    """Compare the measured times of PyTorch's sparse and dense Linear layers."""
    dense = setting.means("inference_ms").get(winner)
    csr = setting.means("inference_csr_ms").get(winner)
    if not dense or not csr:
        return ""
    faster, least, most = ("CSR", csr, dense) if csr < dense else ("dense", dense, csr)
    return (
        f" In batches of 100, one example takes {csr:.4f} ms with the Linear layers in CSR and "
        f"{dense:.4f} ms with all layers dense: {faster} is {most / least:.1f} times as fast."
    )


def _layers_sentence(setting: Setting, winner: int) -> str:
    left = {layer: shares[winner] for layer, shares in setting.remaining_by_layer().items()}
    layers = setting.started.records[-1]["layers"]
    sizes = {name: counts["weights"] for name, counts in layers.items()}
    pruned = {name: sizes[name] * (1 - left[name]) for name in left}
    if not (total := sum(pruned.values())):
        return ""
    most = max(pruned, key=pruned.__getitem__)
    densest = max(left, key=left.__getitem__)
    return (
        f"{100 * pruned[most] / total:.1f} % of its pruned weights were in {most}. This layer "
        f"holds {100 * sizes[most] / sum(sizes.values()):.1f} % of the prunable weights and keeps "
        f"{100 * left[most]:.1f} % of its own. The densest layer is {densest} "
        f"({100 * left[densest]:.1f} % left)."
    )


def _outside_sentence(setting: Setting) -> str:
    run = setting.started
    outside = run.run_json.get("outside")  # runs of version 0.1 have none
    return f"{describe_outside(outside, run.records[0]['row']['params'])}." if outside else ""
