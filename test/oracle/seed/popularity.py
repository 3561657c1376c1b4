# Store paths of a closure (exportReferencesGraph's format) in nixpkgs' order for layers. A path's popularity is the number
# of ways that lead from a root to it or to an ancestor of it, summed over these; by its definition, not as it is fast.
import sys


def read_graph(lines):
    graph = {}
    while path := next(lines, "").strip():
        next(lines)  # its deriver
        references = [next(lines).strip() for _ in range(int(next(lines)))]
        graph[path] = [reference for reference in references if reference != path]
    return graph


def by_name(path):
    start, *rest = path.split("-")
    return "-".join([*rest, start])


graph = read_graph(iter(sys.stdin))
referrers = {path: [] for path in graph}
for path, references in graph.items():
    for reference in references:
        referrers[reference].append(path)
ways = {}
ancestors = {}
order = [path for path in graph if not referrers[path]]
left = {path: len(froms) for path, froms in referrers.items()}
for path in order:
    ways[path] = sum(ways[parent] for parent in referrers[path]) or 1
    ancestors[path] = {path}.union(*(ancestors[parent] for parent in referrers[path]))
    for reference in graph[path]:
        left[reference] -= 1
        if left[reference] == 0:
            order.append(reference)
popularity = {path: sum(ways[ancestor] for ancestor in ancestors[path]) for path in graph}
for path in sorted(graph, key=lambda path: (-popularity[path], by_name(path))):
    print(path)
