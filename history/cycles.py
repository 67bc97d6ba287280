"""G1c: transactions that saw each other's writes, round in a circle. PURE.

    t1 sends x, polls y        x: t1 -> t2
    t2 sends y, polls x        y: t2 -> t1      each ended before the other began

An edge leads from the transaction that wrote a record to one that read it; only those that are
committed count. Edges from write to write are left out: with them circles are usual, as Kafka does
not isolate writes. Components are found as Tarjan does it (1972), without recursion.
"""

from collections import deque
from collections.abc import Iterator, Sequence

from .event import TXN
from .evidence import Evidence
from .finding import Finding
from .operation import Operation

Graph = dict[int, list[int]]
"""From a transaction to those that read of it, by their places in the history."""


def circular_reads(evidence: Evidence) -> Iterator[Finding]:
    """A shortest circle of each strongly connected component."""
    graph = _graph(evidence)
    for component in components(graph):
        if len(component) > 1:
            circle = _shortest_circle(graph, component)
            operations = [evidence.operations[each] for each in circle]
            names = ", ".join(f"line {each.began}" for each in operations)
            sentence = f"{len(circle)} transactions each read of the one before: {names}"
            yield Finding("G1c", "", sentence, operations)


def _graph(evidence: Evidence) -> Graph:
    places = {id(each): n for n, each in enumerate(evidence.operations) if _is_committed(each)}
    graph: Graph = {}
    for operation in evidence.operations:
        reader = places.get(id(operation))
        if reader is None:
            continue
        for key, records in (operation.reads or {}).items():
            for _, value in records:
                writer = places.get(id(evidence.writer(key, value)))
                if writer is not None and writer != reader:
                    graph.setdefault(writer, []).append(reader)
    return graph


def _is_committed(operation: Operation) -> bool:
    return operation.f == TXN and operation.is_ok


def components(graph: Graph) -> list[list[int]]:
    """The strongly connected components that a walk from the graph's sources of edges finds."""
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    on_stack: set[int] = set()
    found: list[list[int]] = []
    for root in graph:
        if root in index:
            continue
        work: list[tuple[int, Iterator[int]]] = [(root, iter(graph[root]))]
        while work:
            node, successors = work[-1]
            if node not in index:
                index[node] = low[node] = len(index)
                stack.append(node)
                on_stack.add(node)
            for successor in successors:
                if successor not in index:
                    work.append((successor, iter(graph.get(successor, ()))))
                    break
                if successor in on_stack:
                    low[node] = min(low[node], index[successor])
            else:
                work.pop()
                if work:
                    parent = work[-1][0]
                    low[parent] = min(low[parent], low[node])
                if low[node] == index[node]:
                    found.append(_pop_component(stack, on_stack, node))
    return found


def _pop_component(stack: list[int], on_stack: set[int], root: int) -> list[int]:
    component: list[int] = []
    while not component or component[-1] != root:
        component.append(stack.pop())
        on_stack.discard(component[-1])
    return component


def _shortest_circle(graph: Graph, component: Sequence[int]) -> list[int]:
    """A shortest way from the first transaction of a component back to itself."""
    members = set(component)
    start = min(component)
    came_from: dict[int, int] = {}
    queue = deque([start])
    while queue:
        node = queue.popleft()
        for successor in graph.get(node, ()):
            if successor == start:
                circle = [node]
                while circle[-1] != start:
                    circle.append(came_from[circle[-1]])
                return circle[::-1]
            if successor in members and successor not in came_from:
                came_from[successor] = node
                queue.append(successor)
    return list(component)
