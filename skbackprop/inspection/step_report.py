"""A training step written out as on paper: the formula, the numbers put in, the result.

Nothing here computes a step: results are read from the trace. Formulas are those that
run, read from the source of the rules; what lies between their lines is worked out from
the numbers shown. Where a formula is not known, only the result is shown.

Formulas stand between backticks, in Python's grammar and in the symbols of this library;
what they look like, in which book's symbols, is decided where they are typeset.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse

from ..elementwise import (
    Elementwise,
    Line,
    NotElementwise,
    evaluate,
    lines,
    read,
    vocabulary,
)
from ..losses import RowLoss
from .formatting import joined, numeral, plain, products, put_in, some, summed
from .notations import Place
from .typesetting import StepSection

__all__ = ["sections"]


def sections(trace) -> list[StepSection]:
    """Return the step as tables, in the order in which it happens."""
    layers = [_Layer(trace, number) for number in range(len(trace.layers))]
    return [
        _title(trace),
        *(layer.forward() for layer in layers),
        _errors(trace),
        _loss(trace),
        *(layer.backward() for layer in reversed(layers)),
        *(layer.move() for layer in layers),
        _outcome(trace),
    ]


def _title(trace):
    sizes = [
        trace.layers[0].inputs.shape[1],
        *(len(lay.bias_before) for lay in trace.layers),
    ]
    words, n_rows = _words(trace), len(trace.rows)
    rows = joined([str(trace.rows[r]) for r in some(n_rows)], n_rows, ", ")
    network = "-".join(map(str, sizes))
    move = words.move.format(update="the update", parameter="the parameter")
    return StepSection(
        heading=f"One training step: {network} network, step {trace.step}",
        prose=[
            f"row{'s' if n_rows > 1 else ''} {rows} of X",
            f"learning rate {plain(trace.learning_rate)}, {trace.plan.optimizer}",
            f"error `e = {words.error}` (`o` output, `t` target): signals point "
            f"{words.direction}, so {move}",
            "every line below: a quantity, the numbers put in, the result",
        ],
    )


def _outcome(trace):
    lines = [("loss before", "", trace.loss_before), ("loss after", "", trace.loss_after)]
    return StepSection(heading="The same rows before and after", rows=_table(lines))


# -- error and loss --------------------------------------------------------------------


def _errors(trace):
    output, error = trace.layers[-1].activation, trace.layers[-1].error
    formula, n_outputs = _words(trace).error, error.shape[1]
    each = len(_names_of_outputs(trace.plan.objective.loss))  # of them one is compared
    lines = [
        (
            f"`e[{k}]`{of_row}",
            put_in(formula, o=output[r, k], t=trace.target[r, k]),
            error[r, k],
        )
        for r, of_row in _rows(trace)
        for k in some(n_outputs)
        if k % each == 0 and _is_measured(trace, r, k)
    ]
    return StepSection(
        heading="Error",
        prose=[f"`e = {formula}`"],
        place=_output_place(trace),
        rows=_table(lines, rows=len(trace.rows), units=n_outputs),
    )


def _output_place(trace):
    return Place(layer=len(trace.layers) - 1)


def _is_measured(trace, r, k):
    return not np.isnan(trace.target[r, k])


def _loss(trace):
    loss, of_rows = trace.plan.objective.loss, None
    prose, table, mean = [], [], ""
    if isinstance(loss, RowLoss):
        with np.errstate(all="ignore"):
            losses = loss.of_outputs(trace.target, trace.layers[-1].net_input)
        of_rows = losses if losses.ndim == 1 else losses.sum(axis=1)
        mean = _mean(trace, of_rows)
        prose, table = _loss_of_rows(trace, losses, of_rows)
    if not _is_whole(trace) or of_rows is None:
        table.append(("loss", mean, trace.loss_before))
    return StepSection(
        heading="Loss",
        prose=prose,
        place=_output_place(trace),
        rows=_table(
            table + _penalty(trace),
            rows=len(trace.rows),
            units=_n_terms(trace) if _loss_steps(trace).lines else 1,
        ),
    )


def _loss_of_rows(trace, losses, of_rows):
    """Return the formula of the loss of a row in words, and its numbers row by row."""
    steps, n_terms, loss = _loss_steps(trace), _n_terms(trace), trace.plan.objective.loss
    if not steps.lines:
        written = getattr(trace.plan.objective.loss, "written", "")
        prose = [f"loss of a row = `sum_over(outputs, {written})`"] if written else []
        return prose, [
            (f"loss{of_row}", _written_loss(trace, written, r), of_rows[r])
            for r, of_row in _rows(trace)
        ]
    table = []
    for r, of_row in _rows(trace):
        for k in some(n_terms):
            if not _is_measured(trace, r, k * len(_names_of_outputs(loss))):
                continue
            worked = steps.work_out(_at_target(trace, r, k), {"loss": losses[r, k]})
            table += [(f"`{name}[{k}]`{of_row}", text, v) for name, text, v in worked]
        terms = [numeral(losses[r, k]) for k in some(n_terms)]
        if n_terms > 1:
            table.append((f"loss{of_row}", joined(terms, n_terms), of_rows[r]))
    prose = [f"`{line.name} = {line.text}`" for line in steps.lines]
    over = "outputs" if n_terms == trace.target.shape[1] else "targets"
    return [*prose, f"loss of a row = `sum_over({over}, loss[k])`"], table


def _written_loss(trace, written, r):
    """Return the numbers of a loss that is written as a term of each output."""
    n_outputs = trace.target.shape[1]
    loss = trace.plan.objective.loss
    terms = [put_in(written, loss, **_at_output(trace, r, k)) for k in some(n_outputs)]
    return joined(terms, n_outputs) if written else ""


def _loss_steps(trace):
    """Return the formula of the loss of one output, or of one target."""
    loss = trace.plan.objective.loss
    slopes = [""] * len(_names_of_outputs(loss))
    return _Steps.of(loss, "value_and_delta", ("loss", *slopes))


def _names_of_outputs(loss):
    """Return what the formula of a loss calls the net inputs that it takes."""
    return getattr(loss, "outputs", ("z",))


def _n_terms(trace):
    """Return how many times the formula of the loss is evaluated for a row."""
    return trace.target.shape[1] // len(_names_of_outputs(trace.plan.objective.loss))


def _at_target(trace, r, k):
    """Return what the formula of the loss takes of one output, or of one target."""
    names = _names_of_outputs(trace.plan.objective.loss)
    first = k * len(names)
    net_inputs = trace.layers[-1].net_input[r, first : first + len(names)]
    of_output = _at_output(trace, r, first)
    return {**of_output, **dict(zip(names, net_inputs, strict=True))}


def _at_output(trace, r, k):
    """Return what the loss of one output is made of."""
    layer, loss = trace.layers[-1], trace.plan.objective.loss
    names = {
        "t": trace.target[r, k],
        "z": layer.net_input[r, k],
        "o": layer.activation[r, k],
    }
    levels = getattr(loss, "levels", ())
    return {**names, "q": levels[k % len(levels)]} if levels else names


def _mean(trace, of_rows):
    """Return the weighted mean over the rows, with its numbers."""
    n_rows = len(of_rows)
    if trace.sample_weight is None:
        losses = [numeral(of_rows[r]) for r in some(n_rows)]
        return f"({joined(losses, n_rows)}) / {n_rows}"
    return products(_shares(trace), of_rows)


def _penalty(trace):
    alpha = trace.plan.objective.alpha
    if alpha == 0:
        return []
    squares = sum(float(np.sum(layer.weights_before**2)) for layer in trace.layers)
    sizes = sum(float(np.sum(np.abs(layer.weights_before))) for layer in trace.layers)
    penalty, ratio = (
        trace.objective_before - trace.loss_before,
        trace.plan.objective.l1_ratio,
    )
    of_weights = f"{numeral(alpha)} / 2 * {numeral(squares)}"
    if ratio:
        l1, l2 = numeral(ratio), numeral(1 - ratio)
        mixed = f"({l2} / 2 * {numeral(squares)} + {l1} * {numeral(sizes)})"
        of_weights = f"{numeral(alpha)} * {mixed}"
    return [
        ("sum of squared weights", "", squares),
        *([("sum of absolute weights", "", sizes)] if ratio else []),
        ("penalty", f"{of_weights} / {numeral(trace.weight_sum)}", penalty),
        (
            "objective",
            f"{numeral(trace.loss_before)} + {numeral(penalty)}",
            trace.objective_before,
        ),
    ]


# -- formulas of rules -----------------------------------------------------------------


class _Steps(NamedTuple):
    """The lines of a formula, and what their names stand for."""

    rule: Any
    lines: Sequence[Line]
    names: Mapping[str, Any]

    @classmethod
    def of(cls, rule: Any, in_place: str, results: tuple[str, ...]) -> _Steps:
        """Return the formula of a rule, or the one that it has `written`, or none.

        Of results without a name, and what only they need, nothing is shown.
        """
        if not isinstance(rule, Elementwise):
            return cls(rule, (), {})
        try:
            formula = read(rule.source(in_place))
        except NotElementwise:
            return cls(rule, (), {})
        shown = _needed(lines(formula, rule, results), results)
        return cls(rule, shown, vocabulary(formula, rule))

    def work_out(
        self, known: Mapping[str, float], results: Mapping[str, float]
    ) -> Iterator[tuple[str, str, float]]:
        """Yield name, numbers and value of each line; `results` are those of the trace."""
        known = dict(known)
        last = {line.name: number for number, line in enumerate(self.lines)}
        for number, (name, text) in enumerate(self.lines):
            if name in results and last[name] == number:
                value = results[name]
            else:
                names = {**self.names, **known}
                with np.errstate(all="ignore"):
                    value = float(evaluate(_parsed(text), names)) if text else np.nan
            yield name, put_in(text, self.rule, **{**self._constants(), **known}), value
            known[name] = value

    def _constants(self):
        return {name: v for name, v in self.names.items() if isinstance(v, Real)}


def _rule(optimizer):
    """Return what an optimizer makes of the gradient, and what of it varies with no g."""
    memory = getattr(optimizer, "memory", {})
    steps = _Steps.of(optimizer, "update", ("update", *memory))
    if not steps.lines:
        written = [Line(*pair) for pair in getattr(optimizer, "written", ())]
        return steps._replace(lines=written), []
    varying, shared = {"g", *memory}, []
    for line in steps.lines:
        if varying.isdisjoint(re.findall(r"[A-Za-z_]\w*", line.text)):
            shared.append(line)
        else:
            varying.add(line.name)
    return steps, shared


def _parsed(text):
    return ast.parse(text, mode="eval").body


def _needed(steps, results):
    """Return the lines that the named results are made of."""
    needed, kept = {name for name in results if name}, []
    for line in reversed(steps):
        if line.name in needed:
            kept.insert(0, line)
            needed |= set(re.findall(r"[A-Za-z_]\w*", line.text))
    return kept


# -- one layer -------------------------------------------------------------------------


class DeltaFormula(NamedTuple):
    """How the deltas of a layer come about."""

    prose: str
    numbers: Callable[[int, int], str] = lambda r, j: ""  # of a row and a unit
    needs_slope: bool = False


class _Layer:
    """The tables of one layer."""

    def __init__(self, trace, number):
        self.trace, self.number = trace, number
        self.numbers = trace.layers[number]
        self.n_inputs, self.n_units = self.numbers.weights_before.shape
        self.is_output = number == len(trace.layers) - 1
        self.below = "x" if number == 0 else "a"
        self.letter = "o" if self.is_output else "a"
        self.norm = _clipped_norm(trace)
        self.decay = getattr(trace.plan.optimizer, "weight_decay", 0.0)
        objective = trace.plan.objective
        if self.is_output:
            self.activation = getattr(objective.loss, "link", None)
            self.name = getattr(objective.loss, "output_activation", "custom")
        else:
            self.activation = objective.network.layers[number].activation
            self.name = getattr(self.activation, "name", type(self.activation).__name__)
        self.rule, self.shared = _rule(trace.plan.optimizer)
        self.value = self._steps("forward", self.letter)
        self.slope = self._steps("backward", "slope")

    def _steps(self, in_place, result):
        """Return value or slope as formulas, from the source or as it is `written`."""
        steps = _Steps.of(self.activation, in_place, (result,))
        written = getattr(self.activation, "written", ("", ""))[in_place == "backward"]
        if steps.lines or not written:
            return steps
        return steps._replace(lines=[Line(result, written)])

    def forward(self):
        numbers, letter, lines = self.numbers, self.letter, []
        for r, of_row in _rows(self.trace):
            inputs = _dense(numbers.inputs[[r]])[0]
            for j in some(self.n_units):
                z, bias = numbers.net_input[r, j], numeral(numbers.bias_before[j])
                terms = products(inputs, numbers.weights_before[:, j])
                lines.append((f"`z[{j}]`{of_row}", f"{bias} + {terms}", z))
                a = numbers.activation[r, j]
                steps = self.value._replace(lines=self._written_out(numbers.net_input[r]))
                worked = steps.work_out({"z": z}, {letter: a})
                lines += [(f"`{name}[{j}]`{of_row}", text, v) for name, text, v in worked]
                if numbers.mask is not None:
                    mask = numbers.mask[r, j]
                    kept = f"{numeral(mask)} * {numeral(a)}"
                    lines.append((f"dropped `a[{j}]`{of_row}", kept, mask * a))
        where = f", `{self.below}[i]` from the layer below" if self.number else ""
        prose = [
            f"`z[j] = b[j] + sum_over(i, {self.below}[i] * w[i, j])`{where}",
            *self._prose(self.value, f"{letter} = f(z)"),
        ]
        prose[-1] += f"   ({self.name})"
        if numbers.mask is not None:
            prose.append("dropped `a = mask * a`, which the layer above sees")
        return self._section("Forward", prose, lines, rows=len(self.trace.rows))

    def _written_out(self, z):
        """Return the lines of the value, a sum over all units of the layer written out."""
        unknown = [] if self.value.lines else [Line(self.letter, "")]
        return [Line(name, summed(text, z)) for name, text in [*self.value.lines, *unknown]]

    def _prose(self, steps, unknown):
        known = [f"{line.name} = {line.text}" for line in steps.lines]
        return [f"`{formula}`" for formula in known or [unknown]]

    def backward(self):
        numbers, lines = self.numbers, []
        delta = self._output_delta() if self.is_output else self._hidden_delta()
        for r, of_row in _rows(self.trace):
            for j in some(self.n_units):
                if delta.needs_slope:
                    z, a = numbers.net_input[r, j], numbers.activation[r, j]
                    steps = self.slope
                    if not steps.lines:
                        steps = steps._replace(lines=[Line("slope", "")])
                    worked = steps.work_out(
                        {"z": z, "a": a}, {"slope": numbers.slope[r, j]}
                    )
                    lines += [
                        (f"`{name}[{j}]`{of_row}", text, v) for name, text, v in worked
                    ]
                lines.append(
                    (f"`delta[{j}]`{of_row}", delta.numbers(r, j), numbers.delta[r, j])
                )
        prose = [delta.prose]
        if delta.needs_slope:
            texts = self._prose(self.slope, "slope = f_prime(z)")
            texts[-1] = texts[-1].replace("slope =", f"slope = d({self.letter}, z) =", 1)
            prose = [re.sub(r"\ba\b", self.letter, text) for text in texts] + prose
        return self._section("Backward", prose, lines, rows=len(self.trace.rows))

    def _output_delta(self):
        """Return the first of the textbooks' formulas that gives the deltas."""
        trace, numbers = self.trace, self.numbers
        factors = {"e[j]": numbers.error}
        share, of_share = _shares(trace)[:, np.newaxis], _share_words(trace)
        for name, factor in (("", None), ("slope[j]", numbers.slope)):
            if name and factor is not None:
                factors[name] = factor
            product = np.prod(list(factors.values()), axis=0) * share
            if _same(product, numbers.delta, numbers.delta.dtype):
                return DeltaFormula(
                    f"`delta[j] = {' * '.join(factors)}{of_share}`",
                    lambda r, j: (
                        " * ".join(numeral(factor[r, j]) for factor in factors.values())
                        + _share_numbers(trace, r)
                    ),
                    needs_slope="slope[j]" in factors,
                )
        sign = "-" if _words(trace).delta.startswith("-") else ""
        return DeltaFormula(f"`delta[j] = {sign}d(loss, z[j])`")

    def _hidden_delta(self):
        """Return the chain rule through the layer above, where it goes unit by unit."""
        numbers, above = self.numbers, self.trace.layers[self.number + 1]
        chain = "sum_over(k, delta[k] * w[j, k])"
        factors = [("slope[j]", numbers.slope), ("mask[j]", numbers.mask)]
        factors = {name: factor for name, factor in factors if factor is not None}
        product = np.prod(list(factors.values()), axis=0)
        product = product * (above.delta @ above.weights_before.T)
        if numbers.slope is None or not _same(product, numbers.delta, product.dtype):
            return DeltaFormula(
                f"`delta[j]` = {self.name} differentiated, times the `{chain}` of the "
                "layer above"
            )
        return DeltaFormula(
            f"`delta[j] = {' * '.join(factors)} * {chain}` of the layer above",
            lambda r, j: (
                " * ".join(numeral(factor[r, j]) for factor in factors.values())
                + f" * ({products(above.delta[r], above.weights_before[j])})"
            ),
            needs_slope=True,
        )

    def move(self):
        lines = list(self._of_the_step())
        for j in some(self.n_units):
            for i in some(self.n_inputs):
                lines += self._moves("weights", (i, j))
            lines += self._moves("bias", (j,))
        product, delta = f"{self.below}[i] * delta[j]", "delta[j]"
        if len(self.trace.rows) > 1:
            product, delta = f"sum_over(rows, {product})", f"sum_over(rows, {delta})"
        penalty = self._penalty("alpha", "w[i, j]")
        optimizer = self.trace.plan.optimizer
        prose = [
            f"`gradient(w[i, j]) = {product}{penalty}`",
            f"`gradient(b[j]) = {delta}`",
            *(f"`{name} <- {text}`" for name, text in self.rule.lines),
        ]
        if not self.rule.lines:
            prose.append(f"`update` <- what {optimizer} makes of the gradient")
        elif isinstance(optimizer, Elementwise):
            prose.insert(2, "`g = gradient`, of the parameter whose turn it is")
        if self.norm:
            prose.insert(2, "`gradient <- gradient * clip_norm / norm` of all gradients")
        if self.decay:
            prose.append(
                "weights shrink by `learning_rate * weight_decay` before the update"
            )
        return self._section("Update", prose, lines, inputs=self.n_inputs)

    def _moves(self, part, index):
        """Return the lines of one parameter, from its gradient to its new value."""
        before, gradient, clipped, update, after = (
            getattr(self.numbers, f"{part}_{moment}")[index]
            for moment in ("before", "gradient", "clipped", "update", "after")
        )
        words = _words(self.trace)
        name = f"{part[0]}[{', '.join(map(str, index))}]"
        lines = [
            (f"`gradient({name})`", self._gradient_numbers(part, index, before), gradient),
            *self._rule_lines(part, index, clipped, update),
            (
                words.move.format(update=f"`{plain(update)}`", parameter=f"`{name}`"),
                f"{self._shrunk(part, before)} {words.operator} {numeral(update)}",
                after,
            ),
        ]
        if self.norm:
            limit = numeral(self.trace.plan.clip_norm)
            numbers = f"{numeral(gradient)} * {limit} / {numeral(self.norm)}"
            lines.insert(1, ("clipped", numbers, clipped))
        return lines

    def _gradient_numbers(self, part, index, before):
        delta = self.numbers.delta[:, index[-1]]
        if part == "bias":
            return joined([numeral(delta[r]) for r in some(len(delta))], len(delta))
        inputs = _dense(self.numbers.inputs[:, [index[0]]])[:, 0]
        alpha = numeral(self.trace.plan.objective.alpha)
        return products(inputs, delta) + self._penalty(alpha, numeral(before))

    def _shrunk(self, part, before):
        """Return a parameter, with the decay of weights, as the begin of a formula."""
        if part == "bias" or not self.decay:
            return numeral(before)
        rate = numeral(self.trace.learning_rate)
        return f"{numeral(before)} * (1 - {rate} * {numeral(self.decay)})"

    def _penalty(self, alpha, weight):
        """Return the penalty's part of a weight's gradient, as the end of a formula."""
        if self.trace.plan.objective.alpha == 0:
            return ""
        sign, ratio = _words(self.trace).penalty, self.trace.plan.objective.l1_ratio
        if ratio:
            l1, l2, sign_of = numeral(ratio), numeral(1 - ratio), weight.strip("()")
            weight = f"({l2} * {weight} + {l1} * sign({sign_of}))"
        return f" {sign} {alpha} / {numeral(self.trace.weight_sum)} * {weight}"

    def _rule_lines(self, part, index, gradient, update):
        """Return what the optimizer does with the gradient of one parameter."""
        trace = self.trace
        known = {
            **self._memory(trace.memory_before, part, index),
            **{name: value for name, _, value in self._of_the_step()},
            **self._time(),
            **dict.fromkeys(("g", "gradient"), gradient),
        }
        results = {**self._memory(trace.memory_after, part, index), "update": update}
        own = [line for line in self.rule.lines if line not in self.shared]
        steps = self.rule._replace(lines=own or [Line("update", "")])
        worked = steps.work_out(known, results)
        return [(f"`{name}`", text, value) for name, text, value in worked]

    def _of_the_step(self):
        """Yield what of the rule is the same for all parameters."""
        return self.rule._replace(lines=self.shared).work_out(self._time(), {})

    def _time(self):
        return {"learning_rate": self.trace.learning_rate, "t": self.trace.step}

    def _memory(self, memory, part, index):
        """Return what the optimizer remembers of one parameter."""
        views = self.trace.plan.objective.network.parameters
        return {
            name: getattr(views(vector).layers[self.number], part)[index]
            for name, vector in memory.items()
        }

    def _section(self, what, prose, lines, **sizes):
        heading = f"{what}, layer {self.number + 1} of {len(self.trace.layers)}"
        rows = _table(lines, **sizes, units=self.n_units)
        place = Place(layer=self.number, in_update=what == "Update")
        return StepSection(heading=heading, prose=prose, rows=rows, place=place)


def _table(lines, **sizes):
    """Return lines as rows of a table; say how many rows, units, ... are left out of it."""
    rows = [
        (quantity, numbers and f"`{numbers}`", f"`{plain(result)}`")
        for quantity, numbers, result in lines
    ]
    left_out = [f"{n - len(some(n))} more {what}" for what, n in sizes.items()]
    left_out = [words for words in left_out if not words.startswith("0 ")]
    if left_out and rows:
        rows.append(("...", f"({' and '.join(left_out)})", ""))
    return rows


def _rows(trace):
    """Return the rows that are shown, each with words for it where there are several."""
    n_rows = len(trace.rows)
    return [(r, f" of row {trace.rows[r]}" if n_rows > 1 else "") for r in some(n_rows)]


# -- facts about the step --------------------------------------------------------------


def _words(trace):
    return trace.plan.objective.convention.words


def _clipped_norm(trace):
    """Return the norm of the gradient where it was clipped, else None."""
    limit = trace.plan.clip_norm
    if limit is None:
        return None
    parts = [(layer.weights_gradient, layer.bias_gradient) for layer in trace.layers]
    norm = np.linalg.norm(
        np.concatenate([array.ravel() for pair in parts for array in pair])
    )
    return norm if norm > limit else None


def _shares(trace):
    """Return what each row has of the mean, shape (n_rows,)."""
    weights = trace.sample_weight
    weights = np.ones(len(trace.rows)) if weights is None else weights
    return weights / trace.weight_sum


def _is_whole(trace):
    """Say whether the mean is that of one row, which counts in full."""
    return len(trace.rows) == 1 and _shares(trace)[0] == 1


def _share_words(trace):
    """Return how a row's share of the mean ends a formula."""
    if _is_whole(trace):
        return ""
    is_weighted = trace.sample_weight is not None
    return " * weight / sum_of_weights" if is_weighted else f" / {len(trace.rows)}"


def _share_numbers(trace, r):
    if _is_whole(trace) or trace.sample_weight is None:
        return _share_words(trace)
    return f" * {numeral(trace.sample_weight[r])} / {numeral(trace.weight_sum)}"


def _same(a, b, dtype):
    """Say whether two results agree to half the digits of a precision."""
    return np.allclose(a, b, rtol=np.sqrt(np.finfo(dtype).eps), atol=0)


def _dense(array):
    return array.toarray() if issparse(array) else array
