"""Loops: a rule's formula becomes the text of a function over arrays, for Numba.

Numba takes formulas of single numbers. What varies from number to number stands in the
loop, in the precision of the arrays; what does not, parameters, the learning rate, the
step and numbers of the formula, is worked out before it, in double precision, and
rounded once. NumPy does the same with numbers beside arrays.
"""

from __future__ import annotations

import ast

from ...elementwise import Formula, copied

__all__ = [
    "activation",
    "around_kernel",
    "derivative",
    "function_name",
    "helper",
    "loss",
    "update",
]

INDENT = "    "
ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow)

ACTIVATION = """\
def NAME(net_input, biases, activated, n_rows, n_columns, numbers):
    n = n_rows * n_columns
    {before}
    for i in range(n):
        v_{z} = net_input[i] + biases[i]
        {inside}
        {keep}
"""
DERIVATIVE = """\
def NAME(saved, delta, n_rows, n_columns, numbers):
    n = n_rows * n_columns
    {before}
    for i in range(n):
        v_{a} = saved[i]
        {inside}
        delta[i] *= {results[0]}
"""
LOSS = """\
def NAME(losses, net_input, delta, n_rows, n_columns, numbers):
    n = n_rows * n_columns
    {before}
    for i in {places}:
        v_{target} = losses[i]
        {outputs}
        {inside}
        {fill}
"""
UPDATE = """\
def NAME(
    vector, gradient, memory, start, n, strength, keep, scale, orientation, numbers,
    s_learning_rate, s_t,
):
    {arrays}
    {before}
    squares = 0.0
    for i in range(n):
        w = vector[i]
        squares += w * w
        v_{g} = scale * (gradient[i] + strength * w)
        {memory}
        {inside}
        {remember}
        vector[i] = keep * w - orientation * {results[0]}
    return squares
"""


def activation(formula: Formula, is_in_place: bool) -> str:
    """Return the loop that adds biases and fills activations, or net inputs in place."""
    (z,), parts = formula.arguments, _Parts(formula, formula.arguments)
    if is_in_place:
        keep = f"net_input[i] = {parts.results[0]}"
    else:
        keep = f"net_input[i], activated[i] = v_{z}, {parts.results[0]}"
    return parts.put_in(ACTIVATION, z=z, keep=keep)


def derivative(formula: Formula) -> str:
    """Return the loop that multiplies delta by derivatives."""
    return _Parts(formula, formula.arguments).put_in(DERIVATIVE, a=formula.arguments[0])


def loss(formula: Formula) -> str:
    """Return the loop that turns targets into losses and fills delta.

    The formula takes a target and the net inputs of its outputs, one or several.
    """
    target, *outputs = formula.arguments
    parts, n = _Parts(formula, formula.arguments), len(outputs)
    fill = [f"losses[i], delta[i] = {parts.results[0]}, {parts.results[1]}"]
    fill += [
        f"losses[i + {k}], delta[i + {k}] = 0, {parts.results[k + 1]}" for k in range(1, n)
    ]
    return parts.put_in(
        LOSS,
        target=target,
        places="range(n)" if n == 1 else f"range(0, n, {n})",
        outputs=_block([f"v_{outputs[k]} = net_input[i + {k}]" for k in range(n)], 2),
        fill=_block(fill, 2),
    )


def update(formula: Formula, memory: tuple[str, ...]) -> str:
    """Return the loop that updates parameters and memory, penalty and decay included.

    It returns the sum of squares of the parameters before.
    """
    gradient = formula.arguments[0]
    parts = _Parts(formula, (gradient, *memory))
    numbers = range(len(memory))
    arrays = [f"m_{k} = pointer_at(memory, {k}, start, vector)" for k in numbers]
    return parts.put_in(
        UPDATE,
        g=gradient,
        arrays=_block(arrays, 1),
        memory=_block([f"v_{memory[k]} = m_{k}[i]" for k in numbers], 2),
        remember=_block([f"m_{k}[i] = {parts.results[k + 1]}" for k in numbers], 2),
    )


def helper(formula: Formula) -> str:
    """Return a function of single numbers that formulas call."""
    parts = _Parts(formula, formula.arguments)
    arguments = ", ".join(f"v_{argument}" for argument in formula.arguments)
    lines = [f"def NAME({arguments}):", *parts.before, *parts.inside]
    return f"\n{INDENT}".join([*lines, f"return {', '.join(parts.results)}"]) + "\n"


def around_kernel(n_arrays: int, others: str = "numbers") -> str:
    """Return a function that calls a kernel of matrices and other arguments."""
    arrays = [f"a_{k}" for k in range(n_arrays)]
    matrices = ", ".join(f"matrix_at({a}, n_rows, n_columns)" for a in arrays)
    return (
        f"def NAME({', '.join(arrays)}, n_rows, n_columns, {others}):\n"
        f"{INDENT}kernel({matrices}, {others})\n"
    )


def function_name(name: str) -> str:
    """Return the name that a function of a formula has in a loop."""
    return "f_" + name.replace(".", "_")


def _block(lines, depth):
    return f"\n{INDENT * depth}".join(lines) or "pass"


class _Parts:
    """A formula as lines before the loop, lines inside it, and results."""

    def __init__(self, formula, varying):
        self.varying, self.scope = set(varying), formula.scope
        self.n_constants = 0
        self.before = [
            f"p_{name} = numbers[{place}]" for place, name in enumerate(formula.attributes)
        ]
        self.inside = []
        for name, expression in formula.statements:
            if self.varies(expression):
                self.inside.append(f"v_{name} = {self.number(expression)}")
                self.varying.add(name)
            else:
                self.before.append(f"s_{name} = {self.alone(expression)}")
                self.varying.discard(name)
        self.results = [self.number(expression) for expression in formula.results]

    def put_in(self, template, **words):
        return template.format(
            before=_block(self.before, 1),
            inside=_block(self.inside, 2),
            results=self.results,
            **words,
        )

    def varies(self, expression):
        """Say whether the value of an expression differs from number to number."""
        return any(
            isinstance(node, ast.Name) and node.id in self.varying
            for node in ast.walk(expression)
        )

    def number(self, expression):
        """Return an expression as text whose value is a number in the loop's precision."""
        text = self.term(expression)
        return f"(real(1) if {text} else real(0))" if _is_condition(expression) else text

    def term(self, expression):
        if not self.varies(expression):
            return self.constant(expression)
        match expression:
            case ast.Name():
                return f"v_{expression.id}"
            case ast.BinOp():
                return self.operation(expression)
            case ast.UnaryOp():
                sign = "-" if isinstance(expression.op, ast.USub) else "+"
                return f"({sign}{self.number(expression.operand)})"
            case ast.Compare():
                sides = map(self.number, (expression.left, expression.comparators[0]))
                return f"({_symbol(expression.ops[0]).join(sides)})"
            case ast.IfExp():
                one, other = map(self.number, (expression.body, expression.orelse))
                return f"({one} if {self.term(expression.test)} else {other})"
            case ast.Call():
                return self.call(expression)

    def operation(self, expression):
        left, right, operator = expression.left, expression.right, expression.op
        if not isinstance(operator, ARITHMETIC):  # of conditions
            return f"({self.term(left)} {_symbol(operator)} {self.term(right)})"
        if isinstance(operator, ast.Pow) and _is_whole(right):
            return f"({self.number(left)} ** {right.value})"
        return f"({self.number(left)} {_symbol(operator)} {self.number(right)})"

    def call(self, expression):
        function = ast.unparse(expression.func)
        arguments = [self.number(argument) for argument in expression.args]
        if function.rpartition(".")[2] == "where":
            arguments[0] = self.term(expression.args[0])
        return f"{function_name(function)}({', '.join(arguments)})"

    def constant(self, expression):
        """Work an expression out before the loop; return the name of the result."""
        name = f"c_{self.n_constants}"
        self.n_constants += 1
        self.before.append(f"{name} = real({self.alone(expression)})")
        return name

    def alone(self, expression):
        """Return an expression without varying names as text, in double precision."""
        return ast.unparse(_Renamed(self.scope).visit(copied(expression)))


def _is_condition(expression):
    if isinstance(expression, ast.BinOp):
        return not isinstance(expression.op, ARITHMETIC)
    return isinstance(expression, ast.Compare)


def _is_whole(expression):
    return isinstance(expression, ast.Constant) and isinstance(expression.value, int)


def _symbol(operator):
    sides = ast.Compare(ast.Name("x"), [operator], [ast.Name("y")])
    if not isinstance(operator, ast.cmpop):
        sides = ast.BinOp(ast.Name("x"), operator, ast.Name("y"))
    return ast.unparse(sides)[1:-1].strip()


class _Renamed(ast.NodeTransformer):
    """Gives parameters, names and functions of a formula those they have in a loop."""

    def __init__(self, scope):
        self.scope = scope

    def visit_Call(self, node):
        function = ast.Name(function_name(ast.unparse(node.func)), ast.Load())
        return ast.Call(function, [self.visit(argument) for argument in node.args], [])

    def visit_Attribute(self, node):
        if isinstance(node.value, ast.Name) and node.value.id == "self":
            return ast.Name(f"p_{node.attr}", ast.Load())
        return ast.Constant(float(self.scope[ast.unparse(node)]))

    def visit_Name(self, node):
        if node.id in self.scope:
            return ast.Constant(float(self.scope[node.id]))
        return ast.Name(f"s_{node.id}", ast.Load())
